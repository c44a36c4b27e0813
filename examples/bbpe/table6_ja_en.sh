#!/usr/bin/env bash
# Table 6: Ja-En test BLEU, by test set; `--help` says more.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh" --table table6 "$@"
