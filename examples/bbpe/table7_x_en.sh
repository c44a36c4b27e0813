#!/usr/bin/env bash
# Table 7: X-En test BLEU on all languages, the four with most and the four with fewest training pairs; `--help` says more.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh" --table table7 "$@"
