#!/usr/bin/env bash
# Four ByteNets and a Transformer on many languages into English, trained for as many updates.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec fairseq-bbpe reproduce bytenet/translate "$@"
