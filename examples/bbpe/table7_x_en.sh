#!/usr/bin/env bash
# Table 7: X-En test BLEU by vocabulary and language.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce table7 "$@"
