#!/usr/bin/env bash
# Table 3 of the BBPE paper: tokens that hold a part of a character; `table3_partial_characters.sh --help` says more.
set -euo pipefail

item=table3 title="Table 3: tokens with partial characters" own="en-de ja-en x-en si-en"
vocab="bbpe:2048 bbpe:4096 bbpe:8192 bbpe:16384 bbpe:32768"
vocab+=" fairseq:2048 fairseq:4096 fairseq:8192 fairseq:16384 fairseq:32768"
# shellcheck source=analyse.sh
source "$(dirname "${BASH_SOURCE[0]}")/analyse.sh"

usage() {
  cat <<'HELP'
usage: bash examples/bbpe/table3_partial_characters.sh [--data DIR] [--scale SCALE] [--output DIR] [--corpora LIST]
                                                       [--vocab LIST]

Counts the tokens that hold a part of a character in the training text, both sides, in vocabularies learned jointly on
it; the entries of the vocabulary that do; and how many of the text's characters are whole in some entry, or only
decomposed. fairseq:N is fairseq's own recipe, compared with the paper's figures for BBPE of the same size. At the tiny
scale a minute; of 400,000 sentence pairs, five minutes on one core the first time.
HELP
  analysis_help
}

parse_analysis "$@"
begin_analysis

for corpus in $corpora; do
  measure_vocabularies "$item.$corpus" "$corpus" partial --name "$corpus"
done
join_parts
report
