#!/usr/bin/env bash
# Figure 4: X-En validation BLEU by vocabulary and contextualization.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce figure4 "$@"
