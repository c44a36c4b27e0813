#!/usr/bin/env bash
# Figure 5: how far the length of a sentence tells that of its translation; `--help` says more.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/../workspace.sh"
output="$root/runs/bytenet"
while (($#)); do
  case "$1" in
    -h | --help)
      cat <<HELP
usage: bash $script [OPTION ...]

Correlates the lengths of the En-De test sentences and their translations, in characters, and draws them. Seconds.

$(shared_help)
                 (default: $output)
HELP
      exit 0
      ;;
    *) shared_argument "$1" "${2:-}" || die "unknown argument '$1'; see --help"; shift 2 ;;
  esac
done
enter_workspace
find_corpus en-de
mkdir -p "$output/tables"
for split in $(splits_of "$folder" en); do
  [[ "$split" == test* ]] || continue
  # English is drawn on the vertical axis, as in the paper.
  fairseq-bbpe analyze length-correlation --source "$folder/$split.en" --target "$folder/$split.de" --output "$output/tables/figure5_$split" |
    tee "$output/tables/figure5_$split.log" >&2
  printf '| %s | %s |\n' "$split" "$(sed -E 's/.*rho //' "$output/tables/figure5_$split.log")"
done > "$output/tables/figure5.part"
{
  printf '| En-De | rho |\n|---|---:|\n'
  echo '| the paper: newstest 2013 | 0.968 |'
  cat "$output/tables/figure5.part"
} | tee "$output/tables/figure5.md"
rm "$output/tables/figure5.part"
