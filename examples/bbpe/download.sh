#!/usr/bin/env bash
# Fetches a corpus of the papers with mtdata: download.sh en-de --output full; --help lists the corpora.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec python -m fairseq_bbpe.experiments.download "$@"
