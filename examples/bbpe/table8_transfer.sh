#!/usr/bin/env bash
# Table 8: X-En models transferred to a script that they have never seen.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce table8 "$@"
