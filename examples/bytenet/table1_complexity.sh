#!/usr/bin/env bash
# Table 1 of the ByteNet paper, properties of translation models, beside measurements; `--help` says more.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source-path=SCRIPTDIR source=../workspace.sh
source "$here/../workspace.sh"

usage() {
  cat <<'HELP'
usage: bash examples/bytenet/table1_complexity.sh [--scale SCALE] [--output DIR] [--gpus N] [COMPLEXITY OPTION ...]

Measures untrained models of one size on random symbols: bytenet, bytenet_conv_rnn, bytenet_birnn_rnn, and fairseq's
lstm with and without attention, fconv and transformer. How time grows with length, for a forward pass with a given
target and for generation, as the exponent k of length^k; and the layer steps between the first source or target token
and the last prediction, by gradients through every layer. Needs no data and trains nothing.

  --scale SCALE  tiny (default): 1M parameters each, up to 1,024 symbols generated, 2 minutes on one core;
                 base: 14M, up to 2,048, about half an hour; big: 100M, for a GPU
  --output DIR   folder for DIR/SCALE/tables/table1.tsv and table1.md (default: runs/bytenet/table1); what is there is shown
  --gpus N       0 (default): one CPU thread; 1: the GPU
More options go to scripts/complexity.py, such as --lengths 64,128 --models bytenet transformer.
HELP
}

output="$root/runs/bytenet/table1" gpus=0 more=() command="bash examples/bytenet/$script $*"
while (($#)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --gpus) gpus="${2:-}"; [[ "$gpus" =~ ^[01]$ ]] || die "--gpus ${gpus:-(nothing)}: give 0 or 1"; shift ;;
    --data) die "--data: the symbols are random, this table needs none" ;;
    *) if shared_argument "$1" "${2:-}"; then shift; else
         [[ "$1" == --lengths || "$1" == --*-lengths || "$1" =~ ^--(models|repeat|threads|parameters)$ ]] ||
           die "unknown argument '$1'; see --help"
         more=("$@"); break
       fi ;;
  esac
  shift
done
enter_workspace
device=cpu
if ((gpus)); then
  python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
    die "--gpus $gpus: torch sees no GPU here; leave it out to measure on the CPU"
  device=cuda
fi
size=(--parameters 1000000)
[[ "$scale" == tiny ]] || size=(--parameters "$([[ "$scale" == base ]] && echo 14000000 || echo 100000000)" --lengths "256,512,1024,2048")

if [[ ! -e "$output/tables/table1.md" ]]; then
  say "Measuring seven models, one after the other; tiny takes 2 minutes on one core"
  python -W ignore "$root/scripts/complexity.py" --output "$output/tables" "${size[@]}" --device "$device" \
    --commit "$(git -C "$root" describe --always --dirty 2> /dev/null || echo unknown)" --command "${command% }" "${more[@]}"
fi
cat "$output/tables/table1.md"
