#!/usr/bin/env bash
# Table 1: time and path lengths of untrained models against the length of the sentence; 2 minutes on one core.
# Takes the options of scripts/complexity.py, such as --parameters 14000000 or --output DIR; --help lists them.
root="$(cd "$(dirname "$0")/../.." && pwd)"
PATH="$root/.venv/bin:$PATH" exec python -W ignore "$root/scripts/complexity.py" --output runs/bytenet/table1 "$@"
