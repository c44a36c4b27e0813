#!/usr/bin/env bash
# Beyond the paper: what each context of the embeddings brings to Ja-En, alone and with BPE-dropout in training.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec fairseq-bbpe reproduce contexts "$@"
