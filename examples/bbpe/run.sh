#!/usr/bin/env bash
# Prepares, trains, generates and scores systems of systems.tsv, and makes the paper's table; `--help` says more.
# The scripts of the tables source it with --table.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/../workspace.sh"

usage() {
  cat <<HELP
usage: bash $script [OPTION ...] $([[ "$script" == run.sh ]] && echo 'SYSTEM ... | --table NAME' || echo '[SYSTEM ...]')

Trains the systems of a table of the paper, or those named, one after the other, translates their test sets and scores
the recovered text against the raw references. Ends with the paper's figures, ours and the differences, as Markdown, and
leaves them as TSV beside it. What is done is skipped; a training that was stopped goes on where it last saved.
Systems: $(systems_of_table)

$(shared_help)
                 (default: $output)
  --updates N    updates of each training (default: 100 at the tiny scale, 100000 at base, 300000 at big; Si-En 20000)
  --minutes M    minutes of each training instead of its updates; more than before goes on where the last run ended
  --gpus N       GPUs to train on, in bf16; 0 is the CPU (default: 0 at the tiny scale, all there are at base and big)
  --max-tokens N tokens a GPU takes at once, of source or target (default: 4096, tiny 1024); base and big collect as
                 many batches as make 32768 for each update. Longer training sentences are left out
  --seed N       (default: 1)
  --systems FILE table of systems and of the paper's figures (default: $systems)
HELP
}

systems="$here/systems.tsv"
output="$root/runs/bbpe"
table="" updates="" minutes="" gpus="" max_tokens="" seed=1 names=()
systems_of_table() { # all, without --table
  awk -F '\t' -v table="$table" 'NR > 1 && (table == "" || ("," $2 ",") ~ ("," table ",")) { print $1 }' "$systems" |
    paste -s -d ' '
}
number() { # flag, value
  [[ "$2" =~ ^[1-9][0-9]{0,8}$ || ("$1" =~ ^--(gpus|seed)$ && "$2" == 0) ]] ||
    die "$1 ${2:-(nothing)}: give a whole number, 1 or more"
  echo "$2"
}
while (($#)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --table) table="${2:?"$script: --table needs a name"}"; shift ;;
    --systems) systems="${2:?"$script: --systems needs a file"}"; shift ;;
    --updates) updates="$(number "$1" "${2:-}")"; shift ;;
    --minutes) minutes="$(number "$1" "${2:-}")"; shift ;;
    --gpus) gpus="$(number "$1" "${2:-}")"; shift ;;
    --max-tokens) max_tokens="$(number "$1" "${2:-}")"; shift ;;
    --seed) seed="$(number "$1" "${2:-}")"; shift ;;
    -*) shared_argument "$1" "${2:-}" || die "unknown argument '$1'; see --help"; shift ;;
    *) names+=("$1") ;;
  esac
  shift
done

# Sets the variables that are called as the columns of systems.tsv.
find_system() { # name
  local line
  line="$(awk -F '\t' -v name="$1" 'NR > 1 && $1 == name' "$systems")"
  IFS=$'\t' read -r system tables _ corpus vocabulary context arch pretrained trainable base_flags _ _ <<< "$line"
}

# --- Everything that can be wrong, before any work ---

[[ -r "$systems" ]] || die "--systems $systems: no such file"
read -ra all_of_table <<< "$(systems_of_table)"
[[ -n "${all_of_table[*]}" ]] || die "--table $table: no system of $systems is of it"
[[ -n "$table" || -n "${names[*]}" ]] || die "nothing to do: give systems, or --table; see --help"
[[ -n "${names[*]}" ]] || names=("${all_of_table[@]}")
for name in "${names[@]}"; do
  [[ " ${all_of_table[*]} " == *" $name "* ]] || die "$name: no such system; choose from ${all_of_table[*]}"
done
problem="$(python3 "$here/table.py" check --systems "$systems" "${names[@]}")" || die "$problem"
case "$scale" in
  tiny) default_updates=100 max_tokens="${max_tokens:-1024}" gpus="${gpus:-0}" ;;
  base) default_updates=100000 max_tokens="${max_tokens:-4096}" ;;
  big) default_updates=300000 max_tokens="${max_tokens:-4096}" ;;
esac
[[ "$(realpath -m "$output")$data" != *[,:]* ]] ||
  die "--output $output, --data ${data:-(none)}: fairseq splits paths at commas and colons: give others"
enter_workspace
if [[ "$gpus" != 0 ]]; then
  found="$(python -c 'import torch; print(torch.cuda.device_count())')"
  ((found)) || die "--scale $scale, --gpus ${gpus:-not given}: no GPU here; --gpus 0 trains on the CPU, however long it takes"
  ((found >= ${gpus:=$found})) || die "--gpus $gpus: only $found here"
fi
declare -A folders
for name in "${names[@]}"; do
  find_system "$name"
  for needed in "$corpus" "${vocabulary%/*}" "${pretrained%/*}"; do
    [[ -n "${source_of[$needed]:-}" && -z "${folders[$needed]:-}" ]] || continue
    find_corpus "$needed"
    folders[$needed]="$folder"
    check_lengths "$needed" "$folder"
  done
done

device="CPU, $OMP_NUM_THREADS threads" hardware=(--cpu) batches=1
if [[ "$gpus" != 0 ]]; then
  device="$gpus x $(python -c 'import torch; print(torch.cuda.get_device_name())'), bf16"
  hardware=(--bf16 --distributed-world-size "$gpus")
fi
[[ "$scale" == tiny ]] || batches=$(((32768 + max_tokens * (gpus + !gpus) - 1) / (max_tokens * (gpus + !gpus))))
commit="$(git -C "$root" describe --always --dirty 2> /dev/null || echo unknown)"
plugin=(--user-dir "$root/fairseq_bbpe")

source "$here/system.sh"
finished=()
for name in "${names[@]}"; do
  run_system "$name"
done

say "The table"
mkdir -p "$output/tables"
tsv="$output/tables/${table:-systems}.tsv" markdown="$output/tables/${table:-systems}.md"
# Of a table, all systems that are finished, also by earlier runs.
shown=()
for name in $([[ -n "$table" ]] && echo "${all_of_table[@]}" || echo "${names[@]}"); do
  [[ ! -e "$output/systems/$name/facts.tsv" ]] || shown+=("$name")
done
languages=()
[[ ! -e "${folders[x-en]:-}/train.lang" ]] || languages=(--languages "${folders[x-en]}/train.lang")
python "$here/table.py" collect --systems "$systems" --output "$output" "${languages[@]}" "${shown[@]}" > "$tsv.part"
mv "$tsv.part" "$tsv"
python "$here/table.py" show "$tsv" > "$markdown.part"
mv "$markdown.part" "$markdown"
cat "$markdown"
say "This table is $markdown; its figures are $tsv"
