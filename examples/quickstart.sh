#!/usr/bin/env bash
# From a fresh clone to translations and a BLEU; `examples/quickstart.sh --help` says more.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash examples/quickstart.sh [--output DIR] [--smoke] [--no-setup]

Trains one byte-level model that translates 24 languages in 18 scripts into English, on two CPU cores and without
downloading any data: installs everything (3 minutes), builds a corpus from Unicode CLDR and a byte-level vocabulary
(half a minute), trains (5 minutes), translates the test set and scores it with sacreBLEU (half a minute).

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
pairs=40000 held_out=1500 pieces=4096 width=192 updates=2000 warmup=100 save_every=500

while (($#)); do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --output) output="${2:?quickstart.sh: --output needs a folder}"; shift ;;
    --smoke) smoke=yes ;;
    --no-setup) setup=no ;;
    *) echo "quickstart.sh: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done
if [[ "${smoke:-}" == yes ]]; then
  output="$output/smoke"
  pairs=2400 held_out=48 pieces=512 width=32 updates=40 warmup=10 save_every=20
fi
mkdir -p "$output"
output="$(cd "$output" && pwd)"

corpus="$output/corpus" data="$output/data-bin" checkpoints="$output/checkpoints" results="$output/results"
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" # fairseq and torch would take every core, and small layers go no faster

say() { printf '\n== [%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
skip() { say "$* (there already: skipped)"; }

if [[ "$setup" == yes ]]; then
  say "Installing: 3 minutes the first time, seconds after that"
  bash "$root/scripts/setup.sh"
  if [[ -z "${VIRTUAL_ENV:-}" ]]; then
    # shellcheck disable=SC1091
    source "$root/.venv/bin/activate"
  fi
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
  say "Training, $updates updates: about 5 minutes; its log is $output/train.log"
  fairseq-train "$data" --source-lang src --target-lang en --cpu --seed 1 \
    --user-dir "$root/fairseq_bbpe" --arch transformer_bbpe_ctx_tiny --share-all-embeddings \
    --encoder-embed-dim "$width" --decoder-embed-dim "$width" \
    --encoder-ffn-embed-dim $((width * 3)) --decoder-ffn-embed-dim $((width * 3)) --dropout 0 \
    --optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 1 \
    --lr 0.0015 --lr-scheduler polynomial_decay --warmup-updates "$warmup" --total-num-update "$updates" \
    --criterion label_smoothed_cross_entropy --label-smoothing 0.1 --max-tokens 1024 --max-tokens-valid 4096 \
    --max-update "$updates" --save-interval-updates "$save_every" --keep-interval-updates 1 --no-epoch-checkpoints \
    --save-dir "$checkpoints" --log-interval 50 --log-file "$output/train.log"
  touch "$checkpoints/trained"
fi

# What `generate` and `interactive` share: the model, and the byte-level vocabulary that recovers text from its output.
translate=("$data" --source-lang src --target-lang en --cpu --user-dir "$root/fairseq_bbpe" --beam 4
  --path "$checkpoints/checkpoint_last.pt" --bpe bbpe --bbpe-model "$vocabulary")

if [[ -e "$results/test.en" ]]; then
  skip "Translating the test set"
else
  say "Translating the test set: seconds"
  fairseq-generate "${translate[@]}" --gen-subset test --max-tokens 8000 --results-path "$results" > "$output/generate.log"
  grep -a '^D-' "$results/generate-test.txt" | LC_ALL=C sort -V | cut -f 3- > "$results/test.en.new"
  mv "$results/test.en.new" "$results/test.en"
fi

say "A script that no training line has: every byte is in the vocabulary, so nothing is unknown"
head -n 3 "$corpus/unseen.src" | fairseq-interactive "${translate[@]}" 2> "$output/interactive.log" > "$results/unseen.out"
grep -a '^[SD]-' "$results/unseen.out" | cut -f 1,2,3
echo
head -n 3 "$corpus/unseen.src" | fairseq-bbpe show --model "$vocabulary"
fairseq-bbpe encode --model "$vocabulary" < "$corpus/unseen.src" > "$results/unseen.bbpe.src"
unknown="$(cat "$results/unseen.bbpe.src" "$results/unseen.out" | grep -a -c '<unk>' || true)"
echo "lines of $(wc -l < "$corpus/unseen.src") with <unk>: $unknown"
((unknown == 0))

say "Translations of the test set: language, source, translation, reference"
for language in am ar bn de el he hi hy ja ka km ko ru ta th zh; do
  paste "$corpus/test.lang" "$corpus/test.src" "$results/test.en" "$corpus/test.en" |
    awk -F '\t' -v language="$language" '$1 == language { print; exit }'
done | column -t -s "$(printf '\t')"

say "sacreBLEU on the raw references, script by script"
score() { # of the lines in one of these languages
  paste "$corpus/test.lang" "$results/test.en" "$corpus/test.en" |
    awk -F '\t' -v languages=" $2 " 'index(languages, " " $1 " ")' > "$results/$1.tsv"
  cut -f 3 "$results/$1.tsv" > "$results/$1.reference"
  printf '%-12s %s\n' "$1" "$(cut -f 2 "$results/$1.tsv" | sacrebleu "$results/$1.reference" --score-only --width 1)"
}
score Latin "de es fr tr"
score Cyrillic "ru uk"
score Greek-Armenian-Georgian "el hy ka"
score Semitic "am ar fa he"
score Indic "bn gu hi pa ta te"
score Thai-Khmer "km th"
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
