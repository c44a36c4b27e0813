#!/usr/bin/env bash
# Beyond the paper: what BPE-dropout brings where there is little text (Provilkov, Emelianenko and Voita, 2020).
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec fairseq-bbpe reproduce dropout "$@"
