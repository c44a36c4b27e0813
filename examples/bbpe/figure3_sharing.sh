#!/usr/bin/env bash
# Figure 3: symbols by the number of languages that use them.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce figure3 "$@"
