#!/usr/bin/env bash
# Measures what docs/benchmarks.md reports, on a quiet machine; `scripts/benchmark.sh --help` says more.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash scripts/benchmark.sh DATA-BIN CHECKPOINT [RAW-TEXT ...] > benchmarks.md

Training beside fairseq's transformer (fp32 and bfloat16), generation beside fairseq's decoder and CTranslate2, how its
cost grows with length, vocabulary and beam, ByteNet's step beside its floor, encoding and recovery beside other
programs: a Markdown section each, on one thread (THREADS=2 for two). DATA-BIN and CHECKPOINT are a translation_bbpe
model's, such as the quick start's; CTranslate2 takes models of --embed-context none or conv. Takes 20 to 40 minutes
on a CPU; needs `pip install .[bench,export]`.
HELP
}
case "${1:-}" in
  -h | --help) usage; exit 0 ;;
esac
(($# >= 2)) || { usage >&2; exit 2; }
data="$1" checkpoint="$2"
shift 2
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export OMP_NUM_THREADS="${THREADS:-1}" PYTHONWARNINGS=ignore
shape="${SHAPE:-tiny}" tokens="${TOKENS:-2500}" # base and 4096 on a GPU

section() { printf '\n## %s\n\n' "$*"; }
printf '%s, %s\n' "$(grep -m 1 'model name' /proc/cpuinfo | cut -d : -f 2- | xargs)" "$(uname -srm)"
section Training
too=() # without AVX-512 a product in bfloat16 takes 50 times as long as in float32
if grep -q avx512bw /proc/cpuinfo || command -v nvidia-smi > /dev/null; then too=(--bf16-too); fi
python "$here/benchmark_training.py" "$data" --shape "$shape" --max-tokens "$tokens" "${too[@]}"
section Generation
python "$here/benchmark_generation.py" "$data" --checkpoint "$checkpoint" --rounds 4
section Exported to CTranslate2
python "$here/benchmark_engines.py" "$data" --checkpoint "$checkpoint" || printf 'Not this model.\n'
section How the cost of generation grows
python "$here/benchmark_growth.py"
section ByteNet
python "$here/benchmark_bytenet.py" --threads "$OMP_NUM_THREADS"
section Text
python "$here/benchmark_text.py" ${1:+--text "$@"}
