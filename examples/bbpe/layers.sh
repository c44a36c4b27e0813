#!/usr/bin/env bash
# Beyond the paper: what a deep encoder and a decoder of one layer bring to En-De, in BLEU and in speed.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec fairseq-bbpe reproduce layers "$@"
