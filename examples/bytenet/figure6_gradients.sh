#!/usr/bin/env bash
# Figure 6: the words that a ByteNet's translation depends on.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce figure6 "$@"
