#!/usr/bin/env bash
# Table 1 of the BBPE paper: the data sets, and their characters; `table1_datasets.sh --help` says more.
set -euo pipefail

item=table1 title="Table 1: data sets" own="en-de ja-en x-en si-en" vocab=""
# shellcheck source=analyse.sh
source "$(dirname "${BASH_SOURCE[0]}")/analyse.sh"

usage() {
  cat <<'HELP'
usage: bash examples/bbpe/table1_datasets.sh [--data DIR] [--scale SCALE] [--output DIR] [--corpora LIST]

Counts, for every split of the corpora: sentences, languages, characters, bytes, distinct characters on either side and
on both, and how many of the most frequent characters make up 99.99% of the text. Takes seconds.
HELP
  analysis_help
}

parse_analysis "$@"
begin_analysis

for corpus in $corpora; do
  find_corpus "$corpus"
  for split in $(splits_of "$folder" "${source_of[$corpus]}"); do
    find_text "$corpus" "$split"
    [[ ! -e "$folder/$split.lang" ]] || text+=(--languages "$folder/$split.lang")
    measure "$item.$corpus.$split" "$corpus" datasets "${text[@]}" --name "$corpus" --split "$split"
  done
done
join_parts
report
