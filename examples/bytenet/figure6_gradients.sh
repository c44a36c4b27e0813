#!/usr/bin/env bash
# Figure 6: which source and target words a ByteNet's translation depends on; `--help` says more.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# The system is one of Table 3's: trained here unless it is there already.
source "$here/../bbpe/run.sh" --systems "$here/systems.tsv" "$@" en-de/bytenet_v2

# A sentence whose words can be told apart in a figure: the first test sentence of 30 to 60 bytes, or else the first.
sentence="$(LC_ALL=C awk 'NR == 1 { first = $0 } length($0) >= 30 && length($0) <= 60 { print; found = 1; exit }
  END { if (!found) print first }' "$tests/test.${source_of[$corpus]}")"
say "The gradients of the translation of: $sentence"
fairseq-bbpe analyze saliency "$databin" --checkpoint "$output/systems/en-de/bytenet_v2/checkpoint_best.pt" \
  --sentence "$sentence" --output "$output/tables/figure6_gradients"
say "The figure is $output/tables/figure6_gradients.png; its table is beside it"
