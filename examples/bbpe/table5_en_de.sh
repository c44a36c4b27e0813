#!/usr/bin/env bash
# Table 5: En-De test BLEU, six vocabularies; `--help` says more.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh" --table table5 "$@"
