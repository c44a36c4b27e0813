#!/usr/bin/env bash
# Figure 2: symbol frequencies.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce figure2 "$@"
