#!/usr/bin/env bash
# Table 3: En-De BLEU of character-level ByteNets on newstest 2014 and 2015; `--help` says more.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/../bbpe/run.sh" --systems "$here/systems.tsv" --table table3 "$@"
