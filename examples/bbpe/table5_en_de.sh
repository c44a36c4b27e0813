#!/usr/bin/env bash
# Table 5: En-De test BLEU by vocabulary.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce table5 "$@"
