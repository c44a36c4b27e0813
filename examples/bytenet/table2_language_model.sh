#!/usr/bin/env bash
# Table 2 of the ByteNet paper, bits/byte of a ByteNet Decoder, on any file of bytes; `--help` says more.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source-path=SCRIPTDIR source=../workspace.sh
source "$here/../workspace.sh"

usage() {
  cat <<'HELP'
usage: bash examples/bytenet/table2_language_model.sh [--data FILE] [--scale SCALE] [--output DIR] [--minutes N]
         [--updates N] [--gpus N] [--stage-minutes N] [--peak TFLOPS] [FAIRSEQ-TRAIN OPTION ...]

Splits FILE by bytes into 90/5/5 as the paper does enwik8, trains a ByteNet Decoder, scores the last 5% with
fairseq-eval-lm, and ends with the paper's table beside ours. What is done is skipped, and a training that was killed
goes on where it last saved.

  --data FILE    any file; only enwik8 itself compares with the paper. Default: 2.7 MB of lines in English and 24 other
                 languages in turn, built from Unicode CLDR
  --scale SCALE  tiny (default): bytenet_lm_tiny for 5 minutes, on two CPU cores, 3 minutes more for the rest
                 base: bytenet_lm_v2, the paper's second version (30 blocks, d = 512, 100 + 400 bytes)
                 big: bytenet_lm, the paper's first version, of the figure 1.33 (25 blocks, d = 892, 315 + 200 bytes)
  --output DIR   folder for DIR/SCALE and the tables in DIR/SCALE/tables (default: runs/bytenet/table2)
  --minutes N    training, all stages together (tiny 5, base and big 25)
  --updates N    where the learning rate reaches zero (big: stays) and training ends: what the machine makes in that
                 time (tiny 300 a minute, base and big 16000; those are guesses, not yet measured on a GPU)
  --gpus N       GPUs to train on, in bf16; 0 is the CPU (tiny 0, base and big all there are)
  --stage-minutes N  each call trains so long, validates, saves, adds a line to DIR/SCALE/stages.tsv and ends; call it
                 again until it has trained for all --minutes (on the CPU all at once, on GPUs 8)
  --peak TFLOPS  of all GPUs, for the share of it in stages.tsv: bytes/s times the matrix products' operations a byte
                 (989, an H100 or H200's bf16, dense)
More options go to fairseq-train and win over those here, such as --batch-size 16.
HELP
}

output="$root/runs/bytenet/table2" minutes="" updates="" gpus="" stage_minutes="" peak=989 more=()
command="bash examples/bytenet/$script $*" file=""
number() { [[ "$2" =~ ^[1-9][0-9]*$ || ("$1" == --gpus && "$2" == 0) ]] || die "$1 ${2:-(nothing)}: give a whole number"; }
while (($#)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --data)
      [[ -s "${2:-}" && -f "$2" ]] || die "--data ${2:-(nothing)}: no such file, or an empty one; give any file of bytes"
      file="$(cd "$(dirname "$2")" && pwd)/$(basename "$2")" data="$file"
      ;;
    --minutes) number "$1" "${2:-}"; minutes="$2" ;;
    --updates) number "$1" "${2:-}"; updates="$2" ;;
    --gpus) number "$1" "${2:-}"; gpus="$2" ;;
    --stage-minutes) number "$1" "${2:-}"; stage_minutes="$2" ;;
    --peak) number "$1" "${2:-}"; peak="$2" ;;
    --scale | --output) shared_argument "$1" "${2:-}" ;;
    -*) more=("$@"); break ;;
    *) die "unknown argument '$1'; a file is given with --data" ;;
  esac
  shift 2
done

enter_workspace
there="$(python -c 'import torch; print(torch.cuda.device_count())')"
if [[ -z "$gpus" ]]; then
  [[ "$scale" == tiny ]] && gpus=0 || gpus="$there"
  [[ "$scale" == tiny ]] || ((gpus)) ||
    die "--scale $scale: torch sees no GPU here; --gpus 0 trains on the CPU all the same, which takes days"
fi
((gpus <= there)) || die "--gpus $gpus: torch sees $there here; give --gpus 0 to train on the CPU"
[[ -n "$minutes" ]] || minutes="$([[ "$scale" == tiny ]] && echo 5 || echo 25)"
[[ -n "$stage_minutes" ]] || stage_minutes="$( ((gpus)) && echo 8 || echo "$minutes")"
[[ -n "$updates" ]] || updates="$([[ "$scale" == tiny ]] && echo $((300 * minutes)) || echo 16000)"
task=(--user-dir "$root/fairseq_bbpe" --task byte_language_modeling)
echo "${data:-Unicode CLDR}" > "$output/data"
split="$output/split" stages="$output/stages.tsv" tables="$output/tables"

if [[ ! -s "$split/test" ]]; then
  if [[ -z "$file" ]]; then
    say "Building the text from Unicode CLDR: half a minute"
    python "$root/examples/cldr_corpus.py" --output "$output/corpora/cldr" --pairs 40000 --held-out 1500 > "$output/cldr.log"
    file="$output/corpora/cldr.txt"
    paste -d '\n' "$output"/corpora/cldr/train.{en,src} > "$file"
  fi
  say "Splitting $file by bytes"
  fairseq-bbpe lm split --input "$file" --output "$split" >&2
fi
[[ -s "$stages" ]] ||
  printf 'stage\tupdates\tminutes\tseconds\tbytes\tbytes/s\tshare of peak\tvalidation bits/byte\tcommand\n' > "$stages"

# Windows, batches and learning rates; the paper gives those of `big` in Section 5, without its batch.
case "$scale" in
  tiny) model=(--arch bytenet_lm_tiny --context-bytes 64 --scored-bytes 448 --batch-size 8 --lr 0.004 --batch-size-valid 16) ;;
  base) model=(--arch bytenet_lm_v2 --context-bytes 100 --scored-bytes 400 --batch-size 64 --lr 0.001 --weight-decay 0.0001) ;;
  big) model=(--arch bytenet_lm --context-bytes 315 --scored-bytes 200 --batch-size 64 --lr 0.01 --weight-decay 0.00001) ;;
esac
decay=(--lr-scheduler polynomial_decay --warmup-updates $(((updates + 19) / 20)) --total-num-update "$updates")
[[ "$scale" != big ]] || decay=(--lr-scheduler fixed)
evaluation=() precision=(--cpu) scoring=(--cpu) compressed=()
if [[ "$scale" != tiny ]]; then
  evaluation=(--eval-scored-bytes 2048)
  model+=(--batch-size-valid 64 "${evaluation[@]}")
fi
if ((gpus)); then
  scoring=()
  precision=(--bf16 --distributed-world-size "$gpus" --num-workers 4)
  [[ "$scale" != base ]] || precision+=(--compile-blocks)
fi
stage=$(wc -l < "$stages")
# fairseq counts the training time of all stages together.
until_minutes=$((stage * stage_minutes < minutes ? stage * stage_minutes : minutes))
train=(fairseq-train "$split" "${task[@]}" "${model[@]}" "${precision[@]}" "${decay[@]}" --seed 1
  --optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 1 --max-update "$updates"
  --stop-time-hours "$(awk "BEGIN { print $until_minutes / 60 }")" --save-interval-updates 1500
  --keep-interval-updates 1 --no-epoch-checkpoints --save-dir "$output/checkpoints"
  --log-format json --log-interval $((updates < 500 ? 5 : 50)) "${more[@]}")

# A run with more minutes or updates goes on, and scores again.
if [[ -e "$output/trained" && "$(< "$output/trained")" != "$minutes $updates ${more[*]}" ]]; then
  rm -f "$output"/{trained,bits} "$tables/table2.md"
fi
if [[ ! -e "$output/trained" ]]; then
  log="$output/stage$stage.log" began=$SECONDS
  say "Stage $stage: training until minute $until_minutes of $minutes, or $updates updates; the log is $log"
  "${train[@]}" 2>&1 | tee "$log" |
    sed -un 's|.*bits_per_byte": "\([0-9.]*\)".*num_updates": "\([0-9]*\)".*|  update \2: \1 bits/byte|p' >&2 ||
    { tail -n 3 "$log" >&2; die "fairseq-train stopped; $log says why"; }
  logged() { sed -n "s/.*\"$1\": \"\{0,1\}\([0-9.]*\).*/\1/p" "$log" | tail -n 1; } # the last one of the stage
  flops=$(sed -n 's/.* \([0-9]*\) FLOP per scored byte.*/\1/p' "$log" | tail -n 1)
  done_updates=$(logged train_num_updates)
  # A stage's middle line: the first ones carry the start, and compilation.
  speed=$(sed -n 's/.*"wps": "\([0-9.]*\)", "ups".*"num_updates".*/\1/p' "$log" | sort -n |
    awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')
  [[ -n "$speed" ]] || die "--stage-minutes $stage_minutes: the stage ended before $log had a line of its speed; give more, or more --updates"
  bytes=$(awk "BEGIN { printf \"%d\", $done_updates * $(logged train_wpb) }")
  share=$( ((gpus)) && awk "BEGIN { printf \"%.3f\", $speed * ${flops:-0} / ($peak * 1e12) }" || echo -)
  {
    printf '%s\t' "$stage" "$done_updates" "$until_minutes" "$((SECONDS - began))" "$bytes" "$speed" "$share" \
      "$(logged valid_bits_per_byte)"
    printf '%q ' "${train[@]}"
    echo
  } >> "$stages"
  ((until_minutes < minutes && done_updates < updates)) || echo "$minutes $updates ${more[*]}" > "$output/trained"
fi
if [[ ! -e "$output/trained" ]]; then
  cut -f1-8 "$stages"
  say "Minute $until_minutes of $minutes: run the same command again for the next stage"
  exit 0
fi

if [[ ! -s "$output/bits" ]]; then
  say "Scoring the last 5%"
  fairseq-eval-lm "$split" "${task[@]}" --path "$output/checkpoints/checkpoint_last.pt" --gen-subset test \
    --batch-size 16 "${evaluation[@]}" "${scoring[@]}" --no-progress-bar > "$output/eval.log" 2>&1 ||
    { tail -n 3 "$output/eval.log" >&2; die "fairseq-eval-lm stopped; $output/eval.log says why"; }
  sed -n 's/.*Loss (base 2): \([0-9.]*\),.*/\1/p' "$output/eval.log" > "$output/bits"
fi
if [[ "$scale" == tiny && ! -s "$output/baselines" ]]; then
  say "Compressing the same bytes"
  fairseq-bbpe lm baselines --history "$split/train" "$split/valid" --input "$split/test" > "$output/baselines.part"
  mv "$output/baselines.part" "$output/baselines"
fi

if [[ ! -e "$tables/table2.md" ]]; then
  [[ ! -e "$output/baselines" ]] || compressed=(--baselines "$output/baselines")
  mkdir -p "$tables"
  hardware="$( ((gpus)) && echo "$gpus x $(python -c 'import torch; print(torch.cuda.get_device_name())')" ||
    echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $OMP_NUM_THREADS thread(s)")"
  {
    printf 'data\t%s\nbytes\t%s\ntest bytes\t%s\n' "$(basename "${data:-Unicode CLDR}")" \
      "$(cat "$split"/{train,valid,test} | wc -c)" "$(wc -c < "$split/test")"
    printf 'sha256\t%s\n' "$(cat "$split"/{train,valid,test} | sha256sum | cut -c 1-16)"
    awk -F '\t' 'NR > 1 { u = $2; s += $4; b = $5 } END { printf "updates\t%s\nseconds\t%s\nbytes trained on\t%s\n", u, s, b }' "$stages"
    printf 'arch\t%s\nhardware\t%s\ncommit\t%s\ncommand\t%s\n' "${model[1]}" "$hardware" \
      "$(git -C "$root" describe --always --dirty 2> /dev/null || echo unknown)" "${command% }"
  } > "$tables/facts.tsv"
  python "$here/table2.py" --bits "$output/bits" --facts "$tables/facts.tsv" --tables "$tables" \
    "${compressed[@]}"
fi
cat "$tables/table2.md"
