#!/usr/bin/env bash
# From a fresh clone to translations and a BLEU; `examples/quickstart.sh --help` says more.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash examples/quickstart.sh [--output DIR] [--smoke] [--no-setup]

Trains one byte-level model that translates 24 languages in 18 scripts into English, on two CPU cores and without
downloading any data: installs everything (3 minutes), builds a corpus from Unicode CLDR and a byte-level vocabulary
(seconds), trains (3 to 6 minutes), translates the test set and scores it with sacreBLEU (half a minute).

Each step that is done is skipped the next time; a training that was stopped goes on where it was last saved.

  --output DIR  folder for all it makes (default: runs/quickstart in the project)
  --smoke       the same path in well under a minute, in DIR/smoke: learns next to nothing
  --no-setup    use the installation there is, without a look at whether it is whole
HELP
}

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"
output="$root/runs/quickstart"
setup=yes
pairs=40000 held_out=1500 pieces=4096 width=192 inner=512 updates=1200 warmup=100 save_every=400

while (($#)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --output) (($# > 1)) || { echo "quickstart.sh: --output needs a folder" >&2; exit 2; }; output="$2"; shift ;;
    --smoke) smoke=yes ;;
    --no-setup) setup=no ;;
    *) echo "quickstart.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done
if [[ "${smoke:-}" == yes ]]; then
  output="$output/smoke"
  pairs=2400 held_out=48 pieces=512 width=32 inner=64 updates=20 warmup=5 save_every=5
fi
mkdir -p "$output"
trap 'echo "quickstart.sh: stopped at line $LINENO; the logs are $output/*.log" >&2' ERR
output="$(cd "$output" && pwd)"

corpus="$output/corpus" data="$output/data-bin" checkpoints="$output/checkpoints" results="$output/results"
# Two threads of layers this small meet some thousand times a second. If they sleep whenever one waits for the other,
# two are slower than one; if they spin for long, and the cores are not theirs alone, they starve one another.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-3000}"
export PYTHONWARNINGS=ignore::UserWarning # torch, about how fairseq calls it

say() { printf '\n== [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
skip() { say "$* (there already: skipped)"; }

if [[ "$setup" == yes ]]; then
  say "Installing: 3 minutes the first time, seconds after that"
  bash "$root/scripts/setup.sh"
fi
if [[ -z "${VIRTUAL_ENV:-}" && -e "$root/.venv/bin/activate" ]]; then
  # shellcheck disable=SC1091
  source "$root/.venv/bin/activate"
fi

say "A corpus of real translations, from Unicode CLDR: seconds"
python "$here/cldr_corpus.py" --output "$corpus" --pairs "$pairs" --held-out "$held_out"

if [[ -d "$data" ]]; then
  skip "A vocabulary of $pieces byte-level subwords"
else
  say "A vocabulary of $pieces byte-level subwords, and the corpus in fairseq's format: seconds"
  fairseq-bbpe prepare --source-lang src --target-lang en --vocab "bbpe:$pieces" --destdir "$data" \
    --trainpref "$corpus/train" --validpref "$corpus/valid" --testpref "$corpus/test" > "$output/prepare.log"
fi
vocabulary="$data/bbpe.model"

if [[ -e "$checkpoints/trained" ]]; then
  skip "Training"
else
  say "Training, $updates updates: 3 to 6 minutes; the log is $output/train.log"
  # Validated and saved by updates alone: an epoch would end, and be validated, in between.
  # One layer over the Bi-GRU of the encoder learns this corpus as well as two do, in less time.
  # A terminal gets fairseq's progress bar (stderr); of its log (stdout), all see what concerns the loss.
  fairseq-train "$data" --source-lang src --target-lang en --cpu --seed 1 \
    --user-dir "$root/fairseq_bbpe" --task translation_bbpe --arch transformer_bbpe_ctx_tiny --share-all-embeddings \
    --encoder-layers 1 --encoder-embed-dim "$width" --decoder-embed-dim "$width" \
    --encoder-ffn-embed-dim "$inner" --decoder-ffn-embed-dim "$inner" --dropout 0 \
    --optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 1 \
    --lr 0.002 --lr-scheduler polynomial_decay --warmup-updates "$warmup" --total-num-update "$updates" \
    --criterion label_smoothed_cross_entropy_blocks --label-smoothing 0.1 --max-tokens 1024 --max-tokens-valid 4096 \
    --max-update "$updates" --save-interval-updates "$save_every" --keep-interval-updates 1 --no-epoch-checkpoints \
    --save-interval 99 --validate-interval 99 \
    --save-dir "$checkpoints" --log-interval 50 |
    tee -a "$output/train.log" |
    while IFS= read -r line; do # not awk or sed, some of which wait for a full buffer
      case "$line" in
        *"| train_inner | "* | *"valid on "*) line="${line#*epoch}"; echo "  epoch${line:0:100}" ;;
      esac
    done
  touch "$checkpoints/trained"
fi

# It finds the data and the vocabulary through the checkpoint, and shows its progress on a terminal.
translate=(fairseq-bbpe translate --checkpoint "$checkpoints/checkpoint_last.pt" --data "$data" --beam 4 --workers 1)

if [[ -e "$results/test.en" ]]; then
  skip "Translating the test set"
else
  say "Translating the test set: seconds"
  mkdir -p "$results"
  "${translate[@]}" < "$corpus/test.src" > "$results/test.en.new"
  mv "$results/test.en.new" "$results/test.en"
fi

say "A sentence in a script that no training line has, its pieces (bytes in hexadecimal), and its translation"
head -n 1 "$corpus/unseen.src" | tee "$results/unseen.src"
fairseq-bbpe show --model "$vocabulary" < "$results/unseen.src"
"${translate[@]}" < "$results/unseen.src" | tee "$results/unseen.en"
# The model has every piece of it in its dictionary.
cut -d ' ' -f 1 "$data/dict.src.txt" > "$results/known.pieces"
if fairseq-bbpe encode --model "$vocabulary" < "$results/unseen.src" | tr ' ' '\n' | grep -vxFf "$results/known.pieces"; then
  echo "quickstart.sh: the pieces above are unknown" >&2
  exit 1
fi
echo "(no <unk> in it: every byte is in the vocabulary)"

say "Translations of the test set: source, translation, reference"
paste "$corpus/test.lang" "$corpus/test.src" "$results/test.en" "$corpus/test.en" |
  awk -F '\t' '!seen[$1]++ { printf "%s  %s\n    %s\n    %s\n", $1, $2, $3, $4 }'

say "sacreBLEU on the raw references, script by script"
score() { # name "languages"
  paste "$corpus/test.lang" "$results/test.en" "$corpus/test.en" |
    awk -F '\t' -v languages=" $2 " 'index(languages, " " $1 " ")' > "$results/$1.tsv"
  cut -f 3 "$results/$1.tsv" > "$results/$1.reference"
  printf '  %-15s %5s  (%s)\n' "$1" "$(cut -f 2 "$results/$1.tsv" | sacrebleu "$results/$1.reference" -b -w 1)" "$2"
}
score Latin "de es fr tr"
score Cyrillic "ru uk"
score other-European "el hy ka"
score Semitic "am ar fa he"
score Indic "bn gu hi pa ta te"
score Southeast-Asian "km th"
score East-Asian "ja ko zh"

say "sacreBLEU on the whole test set"
sacrebleu "$data/raw/test.en" --input "$results/test.en" --width 2 | tee "$results/bleu.json"

say "Done. Everything lies in $output:"
cat <<WHERE
  corpus/        the corpus, line by line
  data-bin/      fairseq's data and bbpe.model, the vocabulary
  checkpoints/   the model: checkpoint_last.pt
  results/       test.en, its translations; bleu.json, their score
WHERE
