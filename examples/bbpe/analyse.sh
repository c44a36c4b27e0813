# Sourced by the scripts of the vocabularies' tables and figures: their arguments, what they measure with
# `fairseq-bbpe analyze`, and the Markdown that puts the paper's figures beside ours.
# shellcheck shell=bash disable=SC2034,SC2154

# The script has set: item, such as table4; title; own, its corpora; vocab, its vocabularies, or nothing.
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=../workspace.sh
source "$here/../workspace.sh"
corpora="" output="$root/runs/bbpe" parts=() runs=()

analysis_help() {
  cat <<HELP

The table, its Markdown and the drawing of a figure are DIR/SCALE/tables/$item.*; the Markdown is printed as well.
What was done is skipped, and vocabularies that were learned are used again, by the other tables and figures too: it can
be stopped and started again at any time.

HELP
  shared_help
  cat <<HELP
                 (default: runs/bbpe in the project). The scales base and big are the same here
  --corpora LIST names out of "en-de ja-en x-en si-en" (default: those of "$own" that --data holds)
HELP
  [[ -z "$vocab" ]] || cat <<HELP
  --vocab LIST   vocabularies: byte, bbpe:N, char, bpe:N, fairseq:N (fairseq's own byte_level_bpe), or .model files; one
                 that the text does not support is left out. Default:
$(fold -s -w 103 <<< "$vocab" | sed 's/^/                 /')
HELP
}

# Takes one of the arguments of all these scripts and its value.
analysis_argument() {
  case "$1" in
    --corpora | --vocab) [[ -n "${2:-}" ]] || die "$1 needs a value; see --help" ;;
  esac
  case "$1" in
    --corpora) corpora="$2" ;;
    --vocab)
      [[ -n "$vocab" ]] || die "unknown argument '$1'; see --help"
      vocab="$2"
      ;;
    *) shared_argument "$@" || die "unknown argument '$1'; see --help" ;;
  esac
}

# Reads the arguments; a script that has one of its own has defined `own_argument`, which is false for any other.
parse_analysis() { # "$@"
  while (($#)); do
    case "$1" in
      -h | --help) usage; exit 0 ;;
      *) own_argument "$@" || analysis_argument "$@"; shift 2 ;;
    esac
  done
}
own_argument() { false; }

# Checks the arguments, makes the folders, and finds all corpora.
begin_analysis() {
  local corpus spec
  if [[ -z "$corpora" ]]; then
    for corpus in $own; do
      [[ -n "$data" && ! -d "$data/$corpus" ]] || corpora+="$corpus "
    done
    [[ -n "$corpora" ]] || die "--data $data: has none of the folders $own; name the corpus it holds with --corpora"
  fi
  for corpus in $corpora; do
    [[ -n "${source_of[$corpus]:-}" ]] || die "--corpora $corpus: choose from en-de ja-en x-en si-en"
  done
  for spec in $vocab; do
    [[ "$spec" =~ ^(byte|char|(bbpe|bpe|fairseq):[1-9][0-9]*|.+\.model)$ ]] ||
      die "--vocab $spec: give byte, bbpe:N, char, bpe:N, fairseq:N or a .model file"
  done
  enter_workspace
  mkdir -p "$output/stats" "$output/tables"
  for corpus in $corpora; do find_corpus "$corpus"; done
}

# Sets the flags that name the files of one split of a corpus: text=(--source ... --target ...).
find_text() { # corpus, split
  find_corpus "$1"
  text=(--source "$folder/$2.${source_of[$1]}" --target "$folder/$2.${target_of[$1]}")
}

# Writes stats/PART.tsv and PART.run.tsv, which says how; not again if the same command wrote them.
measure() { # part, corpus, kind, arguments of `fairseq-bbpe analyze`
  local part="$output/stats/$1" corpus="$2" start="$SECONDS" lines
  shift 2
  parts+=("$part.tsv") runs+=("$part.run.tsv")
  if [[ ! -e "$part.tsv" || "$(cat "$part.command" 2> /dev/null)" != "$*" ]]; then
    say "$title: $corpus"
    rm -f "$part".{tsv,command}
    fairseq-bbpe analyze "$@" --output "$part.tsv"
    lines="$(count_lines "${text[1]}")"
    printf 'corpus\tsentences\tseconds\tcommit\n%s\t%s\t%s\t%s\n' "$corpus" "$lines" $((SECONDS - start)) \
      "$(git -C "$root" describe --always --dirty 2> /dev/null || echo unknown)" > "$part.run.tsv"
    printf '%s\n' "$*" > "$part.command"
  fi
}

# Measures one table of the training text, in vocabularies that are learned on it and kept.
measure_vocabularies() { # part, corpus, kind, further arguments
  local part="$1" corpus="$2" kind="$3" vocabularies
  shift 3
  find_text "$corpus" train
  read -ra vocabularies <<< "$vocab"
  measure "$part" "$corpus" "$kind" "${text[@]}" "$@" --vocab "${vocabularies[@]}" --models "$output/models/$corpus"
}

# Joins the parts, which have the same columns, into tables/ITEM.tsv.
join_parts() {
  local table="$output/tables/$item.tsv"
  head -n 1 "${parts[0]}" > "$table.part"
  tail -q -n +2 "${parts[@]}" >> "$table.part"
  mv "$table.part" "$table"
  tables=("$table")
}

# Copies each part, with columns of its own, to tables/, under its own name.
copy_parts() {
  cp "${parts[@]}" "$output/tables/"
  tables=("${parts[@]/#"$output/stats/"/"$output/tables/"}")
}

# Prints the Markdown of the tables, and keeps it.
report() { # further arguments of compare.py
  local markdown="$output/tables/$item.md"
  python "$here/compare.py" --paper "$here/paper.tsv" --item "$item" --title "$title" \
    --table "${tables[@]}" --runs "${runs[@]}" "$@" > "$markdown.part"
  mv "$markdown.part" "$markdown"
  cat "$markdown"
}
