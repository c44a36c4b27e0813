#!/usr/bin/env bash
# Figure 2 of the BBPE paper: symbol frequencies; `figure2_symbol_frequencies.sh --help` says more.
set -euo pipefail

item=figure2 title="Figure 2: symbol frequencies" own="en-de ja-en x-en"
vocab="char bpe:16384 bpe:32768 bbpe:2048 bbpe:4096 bbpe:32768"
# shellcheck source=analyse.sh
source "$(dirname "${BASH_SOURCE[0]}")/analyse.sh"

usage() {
  cat <<'HELP'
usage: bash examples/bbpe/figure2_symbol_frequencies.sh [--data DIR] [--scale SCALE] [--output DIR] [--corpora LIST]
                                                        [--vocab LIST]

Counts every symbol in the training text, both sides, in vocabularies learned jointly on it, and draws the log2 of the
counts in descending order: tables/figure2.CORPUS.tsv, and one figure with a panel for each corpus. At the tiny scale a
minute; of 400,000 sentence pairs, three minutes on one core the first time.
HELP
  analysis_help
}

parse_analysis "$@"
begin_analysis

for corpus in $corpora; do
  measure_vocabularies "$item.$corpus" "$corpus" frequencies
done
copy_parts
read -ra titles <<< "$corpora"
fairseq-bbpe plot frequencies --table "${tables[@]}" --titles "${titles[@]}" --output "$output/tables/$item.png"
report --only rank=1,10,100,1000,10000
