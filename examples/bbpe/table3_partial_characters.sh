#!/usr/bin/env bash
# Table 3: the share of tokens that hold a part of a character.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce bbpe/table3 "$@"
