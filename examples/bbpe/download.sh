#!/usr/bin/env bash
# Fetches a corpus of the papers with mtdata: download.sh en-de --output full; --help lists the corpora.
PATH="$(dirname "$0")/../../.venv/bin:$PATH" exec python -m fairseq_bbpe.experiments.download "$@"
