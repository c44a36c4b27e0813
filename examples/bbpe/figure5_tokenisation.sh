#!/usr/bin/env bash
# Figure 5 of the BBPE paper: one sentence in all vocabularies; `figure5_tokenisation.sh --help` says more.
set -euo pipefail

item=figure5 title="Figure 5: a sentence in different vocabularies" own="ja-en"
vocab="byte bbpe:1024 bbpe:2048 bbpe:4096 bbpe:8192 char bbpe:16384 bbpe:32768 bpe:16384 bpe:32768"
vocab+=" fairseq:2048 fairseq:4096"
# shellcheck source=analyse.sh
source "$(dirname "${BASH_SOURCE[0]}")/analyse.sh"

usage() {
  cat <<'HELP'
usage: bash examples/bbpe/figure5_tokenisation.sh [--data DIR] [--scale SCALE] [--output DIR] [--corpora LIST]
                                                  [--vocab LIST] [--line N]

Segments one sentence and its translation with vocabularies learned jointly on the training text. Spaces separate
tokens, _ is a space of the text, and bytes of partial characters are hexadecimal. Characters that a vocabulary of
characters does not know stay together: they are one <unk>. At the tiny scale a minute; of 76,000 sentence pairs, two
minutes on one core the first time.

  --line N       the sentence: this line of the validation text (default: the paper's own sentence for ja-en from --data,
                 line 1 otherwise)
HELP
  analysis_help
}

line=""
own_argument() {
  [[ "$1" == --line ]] || return 1
  [[ "${2:-}" =~ ^[1-9][0-9]{0,17}$ ]] || die "--line ${2:-}: give the number of a line, from 1"
  line="$2"
}
parse_analysis "$@"
begin_analysis

for corpus in $corpora; do
  find_text "$corpus" valid
  if [[ -z "$line" && -n "$data" && "$corpus" == ja-en ]]; then
    source_text="質問して 証明と証拠を求めましょう" target_text="Ask questions, demand proof, demand evidence."
  else
    (($(count_lines "${text[1]}") >= ${line:-1})) || die "--line $line: ${text[1]} has $(count_lines "${text[1]}") lines"
    source_text="$(sed -n "${line:-1}p" "${text[1]}")" target_text="$(sed -n "${line:-1}p" "${text[3]}")"
  fi
  measure_vocabularies "$item.$corpus" "$corpus" tokens --name "$corpus" \
    --source-text="$source_text" --target-text="$target_text"
done
join_parts
report
