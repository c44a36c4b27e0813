#!/usr/bin/env bash
# A ByteNet Decoder on any file of text, beside compressors and the paper's Table 2; `--help` says more.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash examples/bytenet/wikipedia.sh FILE [--out FOLDER] [--minutes N] [FAIRSEQ-TRAIN OPTION ...]

Splits FILE by bytes into 90/5/5, trains bytenet_lm_tiny for at most N minutes (15), scores the last 5% with
fairseq-eval-lm, and prints a table: bits/byte beside the paper's Table 2, xz -9 and an adaptive order-5 model.
Made for 2 CPU cores and 10 MB of text: 15 minutes of training, 3 more for the rest, 2 GB of memory.

Everything lies in FOLDER (runs/wikipedia). What is done is skipped, and a training that was killed goes on where it
last saved. More options go to fairseq-train and win over those here, such as: --arch bytenet_lm_v2 --batch-size 16
--context-bytes 100 --scored-bytes 400 (the paper's second version, which wants a GPU: see wikipedia_gpu.sh).
HELP
}

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
file="" out="runs/wikipedia" minutes=15 more=()
while (($#)); do
  case "$1" in
    -h | --help) usage && exit 0 ;;
    --out) out="${2:?--out needs a folder}" && shift ;;
    --minutes) minutes="${2:?--minutes needs a number}" && shift ;;
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

if [[ ! -s "$out/data/test" ]]; then
  echo "== splitting $file by bytes"
  fairseq-bbpe split --input "$file" --destdir "$out/data"
fi

if [[ ! -e "$out/trained" ]]; then
  echo "== training bytenet_lm_tiny, at most $minutes minutes; log in $out/train.log"
  # The learning rate falls to zero over as many updates as 2 cores make in that time; a slower machine stops earlier.
  updates=$((300 * minutes))
  fairseq-train "$out/data" "${task[@]}" --arch bytenet_lm_tiny --context-bytes 64 --scored-bytes 448 \
    --batch-size 8 --batch-size-valid 16 --optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 1 \
    --lr 0.004 --lr-scheduler polynomial_decay --warmup-updates $((updates / 20)) --total-num-update "$updates" \
    --max-update "$updates" --stop-time-hours "$(awk "BEGIN { print $minutes / 60 }")" \
    --save-interval-updates 1500 --keep-interval-updates 1 --no-epoch-checkpoints --save-dir "$out/checkpoints" \
    --log-format simple --log-interval 100 "${more[@]}" 2>&1 | tee -a "$out/train.log" |
    awk '/train_inner|valid on/ { sub(/.* INFO \| /, ""); print substr($0, 1, 110); fflush() }' ||
    { tail -n 20 "$out/train.log" >&2 && exit 1; }
  touch "$out/trained"
fi

if [[ ! -s "$out/bytenet" ]]; then
  echo "== scoring the last 5%"
  fairseq-eval-lm "$out/data" "${task[@]}" --path "$out/checkpoints/checkpoint_last.pt" --gen-subset test \
    --batch-size 16 --no-progress-bar > "$out/eval.log" 2>&1
  sed -n 's/.*Loss (base 2): \([0-9.]*\),.*/\1/p' "$out/eval.log" > "$out/bytenet"
fi

if [[ ! -s "$out/baselines" ]]; then
  echo "== compressing the same bytes"
  fairseq-bbpe baselines --history "$out/data/train" "$out/data/valid" --input "$out/data/test" > "$out/baselines.part"
  mv "$out/baselines.part" "$out/baselines"
fi

cat << TABLE

| model | bits/byte | on |
|---|---|---|
$(sed 's/\(.*\)\t\(.*\)/| \1 | \2 | here |/' "$out/baselines")
| ByteNet Decoder, this run | $(cat "$out/bytenet") | here |
| Stacked LSTM (Graves, 2013) | 1.67 | enwik8 |
| GF-LSTM (Chung et al., 2015) | 1.58 | enwik8 |
| Grid-LSTM (Kalchbrenner et al., 2016a) | 1.47 | enwik8 |
| Layer-normalized LSTM (Chung et al., 2016a) | 1.46 | enwik8 |
| MI-LSTM (Wu et al., 2016b) | 1.44 | enwik8 |
| Recurrent Highway Networks (Srivastava et al., 2015) | 1.42 | enwik8 |
| Recurrent Memory Array Structures (Rocki, 2016) | 1.40 | enwik8 |
| HM-LSTM (Chung et al., 2016a) | 1.40 | enwik8 |
| Layer Norm HyperLSTM (Ha et al., 2016) | 1.38 | enwik8 |
| Large Layer Norm HyperLSTM (Ha et al., 2016) | 1.34 | enwik8 |
| ByteNet Decoder (the paper) | 1.33 | enwik8 |

"here" is the last $(wc -c < "$out/data/test") of $(cat "$out"/data/{train,valid,test} | wc -c) bytes of $(basename "$file"). The rows of the paper's Table 2 are on
the last 5 MB of enwik8: they compare with the others only where FILE is enwik8 itself.
The log of the training, the checkpoints and all else lie in $out.
TABLE
