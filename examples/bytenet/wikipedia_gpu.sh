#!/usr/bin/env bash
# bytenet_lm_v2 on 100 MB of text on one large GPU, in stages that resume each other; `--help` says more.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash examples/bytenet/wikipedia_gpu.sh FILE [--out FOLDER] [--minutes N] [--stage-minutes N]
         [--peak TFLOPS] [--updates N] [FAIRSEQ-TRAIN OPTION ...]

Each call runs one stage: it trains for --stage-minutes (8) more, validates, saves, adds a line to results.tsv and
ends, within 10 minutes. Call it again until it says that all --minutes (25) of training are done; that call scores the
last 5% of FILE as well. Model and windows are the second version of the paper: 30 blocks, d = 512, 100 + 400 bytes.

results.tsv: stage, updates, minutes of training, bytes that counted, bytes/s, share of the GPU's bf16 peak, validation
bits/byte, the command. The share is bytes/s times the matrix products' operations for a byte that counts, forward and
twice that backward (the task logs the number and how it comes about), over --peak (989 for an H100 or H200, dense).

--updates (16000) is where the learning rate reaches zero: what the GPU makes in --minutes. Not yet measured on a GPU.
HELP
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
file="" out="runs/wikipedia_gpu" minutes=25 stage_minutes=8 peak=989 updates=16000 more=()
while (($#)); do
  case "$1" in
    -h | --help) usage && exit 0 ;;
    --out) out="${2:?--out needs a folder}" && shift ;;
    --minutes) minutes="${2:?--minutes needs a number}" && shift ;;
    --stage-minutes) stage_minutes="${2:?--stage-minutes needs a number}" && shift ;;
    --peak) peak="${2:?--peak needs a number}" && shift ;;
    --updates) updates="${2:?--updates needs a number}" && shift ;;
    -*) more=("$@") && break ;;
    *) file="$1" ;;
  esac
  shift
done
if [[ -z "$file" ]]; then
  usage >&2
  exit 2
fi
mkdir -p "$out"
task=(--user-dir "$root/fairseq_bbpe" --task byte_language_modeling)
results="$out/results.tsv"

[[ -s "$out/data/test" ]] || fairseq-bbpe split --input "$file" --destdir "$out/data"
[[ -s "$results" ]] ||
  printf 'stage\tupdates\tminutes\tbytes\tbytes/s\tshare of peak\tvalidation bits/byte\tcommand\n' > "$results"

precision=(--bf16 --compile-blocks)
if ! command -v nvidia-smi > /dev/null; then
  echo "no NVIDIA GPU here: on the CPU, in 32 bits" >&2
  precision=(--cpu)
fi

stage=$(wc -l < "$results")
# fairseq counts the training time of all stages together.
until_minutes=$(awk "BEGIN { m = $stage * $stage_minutes; print m < $minutes ? m : $minutes }")
train=(fairseq-train "$out/data" "${task[@]}" --arch bytenet_lm_v2 --context-bytes 100 --scored-bytes 400
  "${precision[@]}" --batch-size 64 --batch-size-valid 64 --eval-scored-bytes 2048
  --optimizer adam --adam-betas '(0.9, 0.98)' --weight-decay 0.0001 --clip-norm 1
  --lr 0.001 --lr-scheduler polynomial_decay --warmup-updates 500 --total-num-update "$updates" --max-update "$updates"
  --stop-time-hours "$(awk "BEGIN { print $until_minutes / 60 }")" --num-workers 4
  --no-epoch-checkpoints --save-dir "$out/checkpoints" --log-format json --log-interval 50 "${more[@]}")

if [[ ! -e "$out/trained" ]]; then
  log="$out/stage$stage.log"
  echo "== stage $stage: training until minute $until_minutes of $minutes; log in $log"
  "${train[@]}" > "$log" 2>&1 || { tail -n 20 "$log" >&2 && exit 1; }

  # The last line of the stage with this key, from fairseq's JSON log.
  logged() { sed -n "s/.*\"$1\": \"\{0,1\}\([0-9.]*\).*/\1/p" "$log" | tail -n 1; }
  flops=$(sed -n 's/.* \([0-9]*\) FLOP a byte that counts.*/\1/p' "$log")
  done_updates=$(logged train_num_updates)
  # A stage's middle line: the first ones carry the start, and compilation.
  speed=$(sed -n 's/.*"wps": "\([0-9.]*\)", "ups".*"num_updates".*/\1/p' "$log" | sort -n |
    awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
  if [[ -z "$speed" ]]; then
    echo "error: --stage-minutes $stage_minutes: the stage ended before $log had a line of its speed; give more" >&2
    exit 1
  fi
  bytes=$(awk "BEGIN { printf \"%d\", $done_updates * $(logged train_wpb) }")
  share=$(awk "BEGIN { printf \"%.3f\", $speed * $flops / ($peak * 1e12) }")
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$stage" "$done_updates" "$until_minutes" "$bytes" "$speed" "$share" \
    "$(logged valid_bits_per_byte)" "$(printf '%q ' "${train[@]}")" >> "$results"
  if [[ "$until_minutes" == "$minutes" || "$done_updates" -ge "$updates" ]]; then
    touch "$out/trained"
  fi
fi
cut -f1-7 "$results"
if [[ ! -e "$out/trained" ]]; then
  echo "== minute $until_minutes of $minutes: run the same command again for the next stage"
  exit 0
fi

if [[ ! -s "$out/test" ]]; then
  echo "== scoring the last 5%"
  fairseq-eval-lm "$out/data" "${task[@]}" --path "$out/checkpoints/checkpoint_last.pt" --gen-subset test \
    --batch-size 64 --eval-scored-bytes 2048 --no-progress-bar > "$out/eval.log" 2>&1 ||
    { tail -n 20 "$out/eval.log" >&2 && exit 1; }
  sed -n 's/.*Loss (base 2): \([0-9.]*\),.*/\1/p' "$out/eval.log" > "$out/test"
fi
echo "bits/byte on the last $(wc -c < "$out/data/test") bytes: $(cat "$out/test")"
echo "(the paper's Table 2 has 1.33 for its first version, on enwik8; only enwik8 itself compares with that)"
