# Sourced by the scripts of the papers' tables and figures: the arguments they share, the environment, and the corpora.
# shellcheck shell=bash disable=SC2034

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
script="$(basename "$0")"

data="" scale=tiny output=""

# The files of each corpus end in these two: the source language, and the target language.
declare -A source_of=([en-de]=en [ja-en]=ja [x-en]=src [si-en]=si)
declare -A target_of=([en-de]=de [ja-en]=en [x-en]=en [si-en]=en)
# The embedded corpus in its place: Unicode CLDR's languages, and a locale whose script they do not use.
declare -A embedded=([en-de]=de [ja-en]=ja [x-en]="" [si-en]=si)

shared_help() {
  cat <<'HELP'
  --data DIR     folder with the corpora as raw parallel files, each in a folder of its own: en-de/, ja-en/, x-en/ or
                 si-en/, or the one corpus that is asked for. Files: train.LANG, valid.LANG and test.LANG or
                 test_NAME.LANG, where LANG is en and de; ja and en; src and en (x-en, with the language of each line
                 in train.lang, valid.lang and test.lang); si and en. Default: a corpus of real translations built from
                 Unicode CLDR, no download
  --scale SCALE  tiny (default): a sample of the text, for two CPU cores; base, big: all of it
  --output DIR   folder for all that is made, in DIR/SCALE; what is there already is not made again
HELP
}

say() { printf '\n== [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*" >&2; }
die() { echo "$script: $*" >&2; exit 2; }

# Takes one of the shared arguments and its value; false where it is none of them.
shared_argument() {
  case "$1" in
    --data | --scale | --output) [[ -n "${2:-}" ]] || die "$1 needs a value; see --help" ;;
    *) return 1 ;;
  esac
  case "$1" in
    --data)
      [[ -d "$2" ]] || die "--data $2: no such folder; see --help for what it holds"
      data="$(cd "$2" && pwd)"
      ;;
    --scale)
      [[ "$2" =~ ^(tiny|base|big)$ ]] || die "--scale $2: give tiny, base or big"
      scale="$2"
      ;;
    --output) output="$2" ;;
  esac
}

# Activates the project's environment, and makes the folder for all that follows.
enter_workspace() {
  if [[ -z "${VIRTUAL_ENV:-}" && -e "$root/.venv/bin/activate" ]]; then
    # shellcheck disable=SC1091
    source "$root/.venv/bin/activate"
  fi
  command -v fairseq-bbpe > /dev/null || die "fairseq-bbpe is not installed; 'bash scripts/setup.sh' installs it"
  # Small layers gain nothing from more threads, and threads that spin while they wait starve one another.
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
  export PYTHONWARNINGS=ignore::UserWarning # torch, about how fairseq calls it
  mkdir -p "$output" 2> /dev/null || die "--output $output: cannot be made; give a folder that is yours"
  output="$(cd "$output" && pwd)/$scale"
  mkdir -p "$output/corpora"
  # What is there already is used again: it must be of the same text.
  [[ ! -e "$output/data" || "$(< "$output/data")" == "${data:-Unicode CLDR}" ]] ||
    die "$output was made from $(< "$output/data"), not from ${data:-Unicode CLDR}: give another --output"
}

# The prefixes of a folder's splits, without the folder: train, valid, and every test set.
splits_of() { # folder, source language
  local path
  for path in "$1"/{train,valid,test,test_*}."$2"; do
    [[ ! -e "$path" ]] || basename "$path" ".$2"
  done
}

# Every k-th line, so that at most so many are left: all files of a split are cut alike.
sample() { # file, lines of it, at most
  LC_ALL=C awk -v step=$((($2 + $3 - 1) / $3)) 'step <= 1 || NR % step == 1' "$1"
}

count_lines() { LC_ALL=C grep -ac '' "$1" || true; } # with a last one that has no newline

# Stops unless a folder holds train, valid and a test set, both sides of each with as many lines.
check_corpus() { # name, folder
  local source="${source_of[$1]}" target="${target_of[$1]}" split side lines
  for split in train valid; do
    [[ -s "$2/$split.$source" ]] || die "$2/$split.$source: missing or empty; --help says what $1 consists of"
  done
  [[ "$(splits_of "$2" "$source")" == *test* ]] ||
    die "$2/test.$source: missing, and no test_NAME.$source either; --help says what $1 consists of"
  for split in $(splits_of "$2" "$source"); do
    lines="$(count_lines "$2/$split.$source")"
    for side in "$target" $([[ "$1" != x-en ]] || echo lang); do
      [[ -s "$2/$split.$side" ]] || die "$2/$split.$side: missing or empty; --help says what $1 consists of"
      [[ "$(count_lines "$2/$split.$side")" == "$lines" ]] ||
        die "$2/$split.$source has $lines lines, $split.$side has $(count_lines "$2/$split.$side"): give parallel files"
    done
  done
  [[ "$1" != x-en ]] || ! LC_ALL=C grep -q $'\r' "$2"/*.lang ||
    die "$2/*.lang: lines end in carriage returns: remove them"
}

# Stops where a sentence is longer than a model reads, before it is trained; in training such sentences are left out.
check_lengths() { # name, folder
  local split side long
  for split in $(splits_of "$2" "${source_of[$1]}"); do
    [[ "$split" != train ]] || continue
    for side in "${source_of[$1]}" "${target_of[$1]}"; do
      long="$(LC_ALL=C awk 'length > 4000 { print NR; exit }' "$2/$split.$side")"
      [[ -z "$long" ]] || die "$2/$split.$side, line $long: longer than 4000 bytes: split it, in both languages"
    done
  done
}

# A checksum of all files of a corpus.
checksum() { # name, folder
  local split
  for split in $(splits_of "$2" "${source_of[$1]}"); do
    cat "$2/$split.${source_of[$1]}" "$2/$split.${target_of[$1]}"
  done | sha256sum | cut -c -12
}

# Sets `folder` to the raw files of a corpus: from --data, sampled at the tiny scale, or built from Unicode CLDR.
find_corpus() { # name
  [[ -n "${source_of[$1]:-}" ]] || die "$1: no such corpus; choose from ${!source_of[*]}"
  local source="${source_of[$1]}" target="${target_of[$1]}" made="$output/corpora/$1"
  local from="" part split lines side limit corpus_name
  if [[ -n "$data" ]]; then
    # The corpora's folders, or one corpus's own.
    from="$data"
    for corpus_name in "${!source_of[@]}"; do [[ ! -d "$data/$corpus_name" ]] || from="$data/$1"; done
    check_corpus "$1" "$from"
    folder="$from"
    echo "$data" > "$output/data"
    part="$(checksum "$1" "$from")"
    [[ -e "$made.sha256" ]] || echo "$part" > "$made.sha256"
    [[ "$(< "$made.sha256")" == "$part" ]] || die "$from is not what it was for $output: give another --output"
    [[ "$scale" == tiny ]] || return 0
  fi
  folder="$made"
  [[ -n "$data" ]] || echo "Unicode CLDR" > "$output/data"
  [[ ! -d "$made" ]] || return 0
  part="$output/corpora/.$1.part"
  rm -rf "$part"
  mkdir -p "$part"
  if [[ -n "$from" ]]; then
    for split in $(splits_of "$from" "$source"); do
      lines="$(count_lines "$from/$split.$source")"
      case "$split" in train) limit=20000 ;; valid) limit=100 ;; *) limit=200 ;; esac
      for side in "$source" "$target" lang; do
        [[ ! -e "$from/$split.$side" ]] || sample "$from/$split.$side" "$lines" "$limit" > "$part/$split.$side"
      done
    done
  else
    local size=(--pairs 40000 --held-out 1500) languages=()
    [[ "$scale" != tiny ]] || size=(--pairs 6000 --held-out 60)
    [[ -z "${embedded[$1]}" ]] || languages=(--languages "${embedded[$1]}" --unseen am)
    python "$root/examples/cldr_corpus.py" --output "$part/cldr" "${size[@]}" "${languages[@]}" > "$part/cldr.log"
    for split in train valid test; do
      # CLDR's English is the target; of a corpus that translates from English, the source.
      if [[ "$target" == en ]]; then
        mv "$part/cldr/$split.src" "$part/$split.$source"
        mv "$part/cldr/$split.en" "$part/$split.en"
      else
        mv "$part/cldr/$split.en" "$part/$split.$source"
        mv "$part/cldr/$split.src" "$part/$split.$target"
      fi
      mv "$part/cldr/$split.lang" "$part/$split.lang"
    done
    rm -r "$part/cldr" "$part/cldr.log"
  fi
  [[ "$1" == x-en ]] || rm -f "$part"/*.lang
  mv "$part" "$made"
}
