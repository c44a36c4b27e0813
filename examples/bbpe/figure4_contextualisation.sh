#!/usr/bin/env bash
# Figure 4: X-En validation BLEU without contextualisation, with a convolution and with a Bi-GRU; `--help` says more.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/run.sh" --table figure4 "$@"

awk -F '\t' 'NR == 1 || $3 == "valid"' "$tsv" > "$output/tables/figure4_valid.tsv"
for metric in bleu chrf; do
  fairseq-bbpe plot contextualization --table "$output/tables/figure4_valid.tsv" --metric "$metric" \
    --titles "$corpus, scale $scale" --output "$output/tables/figure4_$metric.png"
done
say "The figure is $output/tables/figure4_bleu.png, and figure4_chrf.png beside it"
