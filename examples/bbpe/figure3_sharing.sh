#!/usr/bin/env bash
# Figure 3 of the BBPE paper: in how many languages a symbol occurs; `figure3_sharing.sh --help` says more.
set -euo pipefail

item=figure3 title="Figure 3: symbols by the number of languages that use them" own="x-en"
vocab="char bpe:16384 bpe:32768 bbpe:2048 bbpe:4096 fairseq:2048 fairseq:4096"
# shellcheck source=analyse.sh
source "$(dirname "${BASH_SOURCE[0]}")/analyse.sh"

usage() {
  cat <<'HELP'
usage: bash examples/bbpe/figure3_sharing.sh [--data DIR] [--scale SCALE] [--output DIR] [--languages LIST]
                                             [--vocab LIST]

Counts in how many languages of the source side of x-en a symbol occurs, in vocabularies learned jointly on the whole
training text: for five languages whose scripts differ, as the paper does, and for all. Tables
tables/figure3.{five,all}.tsv; one figure with both. At the tiny scale a minute; of 400,000 sentence pairs, three
minutes on one core the first time.

  --languages LIST  codes of the first panel, as in train.lang (default: the paper's "ar he ru ko it", in two letters or
                 in three; from Unicode CLDR, which is built without Italian, es in its place)
HELP
  analysis_help
}

languages=""
own_argument() {
  [[ "$1" == --languages ]] || return 1
  languages="${2:-}"
  [[ -n "$languages" ]] || die "$1 needs a value; see --help"
}
parse_analysis "$@"
[[ "${corpora:-x-en}" == x-en ]] || die "--corpora $corpora: only x-en says the language of each line"
begin_analysis

find_corpus x-en
codes="$folder/train.lang"
if [[ -z "$languages" ]]; then
  languages="ar he ru ko it"
  [[ -n "$data" ]] || languages="ar he ru ko es"
  ! grep -qx ara "$codes" || languages="ara heb rus kor ita"
fi
read -ra among <<< "$languages"
for language in "${among[@]}"; do
  grep -qxF -- "$language" "$codes" || die "--languages $language: no line of $codes is in it"
done

measure_vocabularies "$item.five" x-en sharing --languages "$codes" --among "${among[@]}"
measure_vocabularies "$item.all" x-en sharing --languages "$codes"
copy_parts
fairseq-bbpe plot sharing --table "${tables[@]}" --titles "x-en: $languages" "x-en: all languages" \
  --output "$output/tables/$item.png"
report
