#!/usr/bin/env bash
# Figure 4: validation BLEU by vocabulary and contextualization, on X-En; at the scale small on En-De.
# Takes the options of `fairseq-bbpe reproduce`; --help lists them.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec fairseq-bbpe reproduce figure4 "$@"
