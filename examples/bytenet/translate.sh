#!/usr/bin/env bash
# Four ByteNets and a Transformer on the same characters, for the same time; `translate.sh --help` says more.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash examples/bytenet/translate.sh [--output DIR] [--minutes M] [--systems "NAME ..."] [--smoke]

Trains on the quick start's corpus (24 languages into English, from Unicode CLDR) with one vocabulary of characters,
translates the test set with fairseq-generate, and prints BLEU and chrF with their sacreBLEU signatures:

  transformer  transformer_bbpe_ctx_tiny on characters, for comparison
  layer        bytenet_tiny: layer normalisation, the source padded to 1.2 |s|, plain beam search
  sub_batch    bytenet_tiny with Sub-Batch Normalisation, zero columns past the source, search over target intervals
  conv_rnn     bytenet_conv_rnn_tiny: convolutional source network, recurrent target network
  birnn_rnn    bytenet_birnn_rnn_tiny: bidirectional recurrent source network, recurrent target network

Takes M minutes of training for each system on two CPU cores (12 by default), and about two to translate. What is done
is skipped the next time. Expects the installation of scripts/setup.sh, active or in .venv.

  --output DIR    folder for all it makes (default: runs/bytenet in the project)
  --minutes M     training time of each system
  --systems LIST  only these
  --smoke         a few updates of each, in DIR/smoke: learns next to nothing
HELP
}

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
output="$root/runs/bytenet"
systems="transformer layer sub_batch conv_rnn birnn_rnn"
minutes=12 pairs=40000 held_out=1500 end=() smoke=no

while (($#)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --output) output="${2:?translate.sh: --output needs a folder}"; shift ;;
    --minutes) minutes="${2:?translate.sh: --minutes needs a number}"; shift ;;
    --systems) systems="${2:?translate.sh: --systems needs names}"; shift ;;
    --smoke) smoke=yes ;;
    *) echo "translate.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done
[[ "$minutes" =~ ^[0-9]+(\.[0-9]+)?$ ]] || { echo "translate.sh: --minutes $minutes: give a number" >&2; exit 2; }
if [[ "$smoke" == yes ]]; then
  output="$output/smoke" pairs=1500 held_out=24 end=(--max-update 10)
fi

options() { # what distinguishes a system: --task and --arch, learning rate and warm-up
  case "$1" in
    transformer) echo "--task translation --arch transformer_bbpe_ctx_tiny --share-all-embeddings --lr 0.002 --warmup-updates 300" ;;
    layer) echo "--task translation --arch bytenet_tiny --lr 0.003 --warmup-updates 200" ;;
    sub_batch) echo "--task translation_sub_batch --arch bytenet_tiny --norm sub_batch --unfold zero --lr 0.003 --warmup-updates 200" ;;
    conv_rnn) echo "--task translation --arch bytenet_conv_rnn_tiny --lr 0.003 --warmup-updates 200" ;;
    birnn_rnn) echo "--task translation --arch bytenet_birnn_rnn_tiny --lr 0.003 --warmup-updates 200" ;;
    *) echo "translate.sh: --systems $1: unknown; choose from transformer layer sub_batch conv_rnn birnn_rnn" >&2; return 2 ;;
  esac
}
for system in $systems; do options "$system" > /dev/null; done # all names, before any work

if [[ -z "${VIRTUAL_ENV:-}" && -e "$root/.venv/bin/activate" ]]; then
  # shellcheck disable=SC1091
  source "$root/.venv/bin/activate"
fi
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" PYTHONWARNINGS=ignore::UserWarning
mkdir -p "$output"
output="$(cd "$output" && pwd)"
corpus="$output/corpus" data="$output/data-bin"
plugin=(--user-dir "$root/fairseq_bbpe" --cpu)
say() { printf '\n== [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }

say "A corpus of real translations, from Unicode CLDR, and its characters: half a minute"
python "$root/examples/cldr_corpus.py" --output "$corpus" --pairs "$pairs" --held-out "$held_out" > "$output/corpus.log"
if [[ ! -d "$data" ]]; then
  fairseq-bbpe prepare --source-lang src --target-lang en --vocab char --destdir "$data" \
    --trainpref "$corpus/train" --validpref "$corpus/valid" --testpref "$corpus/test" > "$output/prepare.log"
fi

for system in $systems; do
  run="$output/$system"
  mkdir -p "$run"
  read -ra flags <<< "$(options "$system")"
  if [[ ! -e "$run/trained" ]]; then
    say "Training $system, $minutes minutes; the log is $run/train.log"
    fairseq-train "$data" --source-lang src --target-lang en "${plugin[@]}" "${flags[@]}" --seed 1 \
      --optimizer adam --lr-scheduler inverse_sqrt --clip-norm 1 \
      --criterion label_smoothed_cross_entropy --label-smoothing 0.1 --max-tokens 4000 \
      --stop-time-hours "$(awk "BEGIN { print $minutes / 60 }")" "${end[@]}" \
      --num-workers 0 --no-epoch-checkpoints --save-dir "$run" --log-interval 100 --log-file "$run/train.log" 2> "$run/errors.log" \
      | grep --line-buffered -E "train_inner|valid on" | cut -d '|' -f 4- | cut -c -100 \
      || { tail -n 3 "$run/errors.log" >&2; exit 1; }
    touch "$run/trained"
  fi
  if [[ ! -e "$run/test.en" ]]; then
    say "Translating with $system"
    fairseq-generate "$data" --source-lang src --target-lang en "${plugin[@]}" "${flags[@]:0:2}" \
      --path "$run/checkpoint_last.pt" --batch-size 64 --beam 5 --max-len-a 2 --max-len-b 20 \
      --bpe sentencepiece --sentencepiece-model "$data/sentencepiece.bpe.model" > "$run/test.out" 2> "$run/errors.log" \
      || { tail -n 3 "$run/errors.log" >&2; exit 1; }
    grep -a ^D- "$run/test.out" | LC_ALL=C sort -V | cut -f3- > "$run/test.en.part"
    mv "$run/test.en.part" "$run/test.en"
  fi
done

say "Scores against the raw references"
printf '| system | BLEU | chrF | valid loss, bits | updates |\n|---|---:|---:|---:|---:|\n' | tee "$output/scores.md"
for system in $systems; do
  score() { sacrebleu "$corpus/test.en" --input "$output/$system/test.en" --metrics "$1" --score-only --width 1; }
  valid="$(grep -a 'valid on' "$output/$system/train.log" | tail -n 1)"
  figure() { sed -E "s/.*\| $1 ([0-9.]+).*/\1/" <<< "$valid"; }
  printf '| %s | %s | %s | %s | %s |\n' "$system" "$(score bleu)" "$(score chrf)" "$(figure nll_loss)" "$(figure num_updates)"
done | tee -a "$output/scores.md"
for metric in bleu chrf; do
  sacrebleu "$corpus/test.en" --input "$output/${systems%% *}/test.en" --metrics "$metric" --format text | sed -E 's/ = .*//'
done
say "Samples"
for line in 3 7 11 15; do
  printf '\n%-12s %s\n%-12s %s\n' source "$(sed -n "${line}p" "$corpus/test.src")" reference "$(sed -n "${line}p" "$corpus/test.en")"
  for system in $systems; do printf '%-12s %s\n' "$system" "$(sed -n "${line}p" "$output/$system/test.en")"; done
done
say "Done: $output"
