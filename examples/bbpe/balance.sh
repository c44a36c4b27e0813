#!/usr/bin/env bash
# Beyond the paper: what a vocabulary learned on balanced languages brings to the small ones of X-En.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec fairseq-bbpe reproduce balance "$@"
