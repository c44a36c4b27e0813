#!/usr/bin/env bash
# Table 4 of the BBPE paper: mean lengths of training sentences in tokens; `table4_lengths.sh --help` says more.
set -euo pipefail

item=table4 title="Table 4: mean lengths of training sentences in tokens" own="en-de ja-en x-en si-en"
vocab="byte bbpe:1024 bbpe:2048 bbpe:3072 bbpe:4096 bbpe:8192 bbpe:11264 bbpe:16384 bbpe:32768 char"
vocab+=" bpe:8192 bpe:16384 bpe:32768 fairseq:2048 fairseq:4096 fairseq:16384 fairseq:32768"
# shellcheck source=analyse.sh
source "$(dirname "${BASH_SOURCE[0]}")/analyse.sh"

usage() {
  cat <<'HELP'
usage: bash examples/bbpe/table4_lengths.sh [--data DIR] [--scale SCALE] [--output DIR] [--corpora LIST] [--vocab LIST]

Segments the training text with vocabularies learned jointly on both sides of it, and averages the tokens of a sentence
on either side and on both. fairseq:N is fairseq's own recipe, compared with the paper's figures for BBPE of the same
size. At the tiny scale a minute; of 400,000 sentence pairs, six minutes on one core the first time.
HELP
  analysis_help
}

parse_analysis "$@"
begin_analysis

for corpus in $corpora; do
  measure_vocabularies "$item.$corpus" "$corpus" lengths --name "$corpus"
done
join_parts
report
