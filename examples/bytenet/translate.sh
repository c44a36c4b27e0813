#!/usr/bin/env bash
# Four ByteNets and a Transformer on many languages into English, trained for the same time.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce bytenet/translate "$@"
