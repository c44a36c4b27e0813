#!/usr/bin/env bash
# Table 8: an X-En model transferred to Si-En, a script that it has never seen; `--help` says more.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh" --table table8 "$@"
