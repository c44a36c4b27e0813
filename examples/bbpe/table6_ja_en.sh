#!/usr/bin/env bash
# Table 6: Ja-En test BLEU by vocabulary and test set.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce table6 "$@"
