#!/usr/bin/env bash
# Table 2: bits/byte of a ByteNet Decoder on any file, --data FILE.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec fairseq-bbpe reproduce bytenet/table2 "$@"
