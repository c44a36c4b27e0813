#!/usr/bin/env bash
# Table 2: bits/byte of a ByteNet Decoder on any file, --data FILE.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce bytenet/table2 "$@"
