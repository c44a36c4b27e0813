#!/usr/bin/env bash
# Figure 5: how far the length of a sentence tells that of its translation.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce bytenet/figure5 "$@"
