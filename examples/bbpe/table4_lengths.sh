#!/usr/bin/env bash
# Table 4: mean lengths of training sentences in tokens.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce table4 "$@"
