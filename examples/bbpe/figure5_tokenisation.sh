#!/usr/bin/env bash
# Figure 5: one sentence in all vocabularies.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce bbpe/figure5 "$@"
