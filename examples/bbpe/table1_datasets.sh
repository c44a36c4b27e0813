#!/usr/bin/env bash
# Table 1: sentences, characters, bytes and character sets of the corpora.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce bbpe/table1 "$@"
