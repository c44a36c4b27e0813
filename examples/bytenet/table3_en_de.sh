#!/usr/bin/env bash
# Table 3: En-De BLEU of character-level ByteNets.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec fairseq-bbpe reproduce bytenet/table3 "$@"
