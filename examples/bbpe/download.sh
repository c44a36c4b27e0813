#!/usr/bin/env bash
# Fetches a corpus of the BBPE paper by its name; `download.sh --help` says more.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source-path=SCRIPTDIR source=../workspace.sh
source "$here/../workspace.sh"
table="$here/corpora.tsv"

usage() {
  cat <<'HELP'
usage: bash examples/bbpe/download.sh CORPUS --output DIR

Fetches the training, validation and test sets of a corpus with mtdata, which `pip install '.[download]'` installs, and
lays them out as the other scripts' --data reads them, in DIR/CORPUS:

  en-de  WMT 2014       train valid test_newstest2014 test_newstest2015 .{en,de}   4.5M pairs  5 GB  30 minutes
  ja-en  KFTT TED JESC  train valid test_kftt test_ted test_jesc .{ja,en}          3.5M pairs  5 GB  30 minutes
  x-en   TED            train valid test .{src,en,lang}, 58 languages              5.1M pairs  5 GB  30 minutes
  si-en  OPUS FLORES    train valid test .{si,en}                                  0.6M pairs  1 GB   5 minutes

The room and the times are estimates: mtdata keeps what it fetched in $MTDATA (~/.mtdata unless set), unpacked, beside
DIR/CORPUS. corpora.tsv names every set with its mtdata identifiers, and says where it differs from the paper's.

DIR/CORPUS appears when it is whole. A call that was stopped goes on when it is given again: files that mtdata has
fetched are not fetched again. The log is DIR/.CORPUS.part/mtdata.log until then.
HELP
}

corpus="" output=""
while (($#)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --output) [[ -n "${2:-}" ]] || die "--output needs a folder; see --help"; output="$2"; shift ;;
    -*) die "unknown argument '$1'; see --help" ;;
    *) [[ -z "$corpus" ]] || die "'$1': one corpus at a time; see --help"; corpus="$1" ;;
  esac
  shift
done
[[ -n "$corpus" ]] || die "no corpus named: choose from en-de, ja-en, x-en and si-en"
[[ -n "${source_of[$corpus]:-}" ]] || die "$corpus: no such corpus; choose from en-de, ja-en, x-en and si-en"
[[ -n "$output" ]] || die "--output is missing: give the folder in which $corpus/ is to lie"
source="${source_of[$corpus]}" target="${target_of[$corpus]}"

if [[ -z "${VIRTUAL_ENV:-}" && -e "$root/.venv/bin/activate" ]]; then
  # shellcheck disable=SC1091
  source "$root/.venv/bin/activate"
fi
command -v mtdata > /dev/null || die "mtdata is not installed; \"pip install '.[download]'\" installs it"
mkdir -p "$output" 2> /dev/null || die "--output $output: cannot be made; give a folder that is yours"
output="$(cd "$output" && pwd)"
if [[ -d "$output/$corpus" ]]; then
  say "$output/$corpus is there already: nothing to do"
  exit 0
fi
[[ "$corpus" == si-en ]] && gigabytes=1 || gigabytes=5
cache="${MTDATA:-${HOME:?set HOME, or MTDATA to a folder for what mtdata fetches}/.mtdata}"
mkdir -p "$cache" 2> /dev/null || die "MTDATA $cache: cannot be made; set it to a folder that is yours"
cache="$(cd "$cache" && pwd)"
export MTDATA="$cache"
free="$(df -Pk "$output" | awk 'NR == 2 { print int($4 / 1e6) }')"
((free >= gigabytes)) || die "--output $output: $free GB are free there, $corpus needs about $gigabytes; make room"
part="$output/.$corpus.part"
mkdir -p "$part"

rows() { # of a kind of set (talks or others), the columns of the table without the corpus
  awk -F '\t' -v OFS='\t' -v corpus="$corpus" -v talks="$1" \
    '$1 == corpus && ($4 ~ /^Neulab-tedtalks_/) == (talks == "talks") { print $2, $3, $4, $5 }' "$table"
}

# mtdata, from the part's folder: it would import any mtdata*.py of the folder that it is called from.
fetch() { # its arguments
  (cd "$part" && mtdata --no-pbar "$@") 2>&1 | tee -a "$part/mtdata.log" |
    sed -uEn '/Downloading|wrote [0-9]+ lines/s/^/  /p' >&2 ||
    die "mtdata could not fetch all of $corpus; it needs the network: try the same command again, it goes on.
  $(tail -n 1 "$part/mtdata.log" | cut -c 1-300)"
}

iso() { # mtdata's code of a language
  case "$1" in en) echo eng ;; de) echo deu ;; ja) echo jpn ;; si) echo sin ;; esac
}

append() { # split, file of the source side, file of the target side
  [[ -s "$2" && -s "$3" ]] || die "mtdata left no $2: remove $part and run this again"
  cat "$2" >> "$made/$1.$source"
  cat "$3" >> "$made/$1.$target"
}

read -ra sets <<< "$(rows others | cut -f3 | tr '\n' ' ')"
if ((${#sets[@]})); then
  say "Fetching ${#sets[@]} sets; mtdata builds its index first, 20 seconds"
  # All as training sets, for of those alone mtdata drops what it knows to be noise; what they are is said below.
  fetch get -l "$(iso "$source")-$(iso "$target")" --train "${sets[@]}" --fail --out "$part/mtdata"
fi
read -ra talks <<< "$(rows talks | cut -f3 | tr '\n' ' ')"
if ((${#talks[@]})); then
  say "Fetching the TED talks, one archive for all languages"
  read -ra talks <<< "$(printf '%s\n' "${talks[@]}" | sort -u | tr '\n' ' ')"
  fetch cache --dataset-id "${talks[@]}"
  found="$(find "$cache/phontron.com" -path '*/neulab_ted_talksv1/all_talks_train.tsv' -print -quit 2> /dev/null || true)"
  [[ -n "$found" ]] || die "no all_talks_train.tsv in $cache, where mtdata unpacks the TED talks: set MTDATA to its folder"
  say "Reading the TED talks: a minute or two"
  read -ra languages <<< "$(rows talks | cut -f2 | tr '\n' ' ')"
  few=()
  [[ "$corpus" != x-en ]] || few=(--valid 22000) # as the paper
  python3 "$here/ted_talks.py" --archive "$(dirname "$found")" --languages "${languages[@]}" "${few[@]}" \
    --output "$part/talks"
fi

say "Laying out $output/$corpus"
made="$part/$corpus"
rm -rf "$made"
if [[ "$corpus" == x-en ]]; then
  cp -r "$part/talks" "$made"
else
  mkdir "$made"
  while IFS=$'\t' read -r splits _ ids _; do
    read -ra names <<< "${ids}"
    IFS=, read -ra splits <<< "$splits"
    for i in "${!names[@]}"; do
      if [[ "${names[i]}" == Neulab-tedtalks_* ]]; then
        from="$part/talks/${splits[i]%%_*}"
        append "${splits[i]}" "$from.src" "$from.en"
      else
        from="$part/mtdata/train-parts/${names[i]}"
        append "${splits[i]}" "$from.$(iso "$source")" "$from.$(iso "$target")"
      fi
    done
  done < <(rows others; rows talks)
fi
check_corpus "$corpus" "$made"
mv "$made" "$output/$corpus"
mv "$part/mtdata.log" "$output/$corpus/mtdata.log"
for split in $(splits_of "$output/$corpus" "$source"); do
  printf '%-18s %9d lines\n' "$split" "$(count_lines "$output/$corpus/$split.$source")"
done
rm -rf "$part"
