# Sourced by run.sh: from a line of systems.tsv to its results.
# shellcheck shell=bash disable=SC2154

# All test sets of a corpus in one, so that a system translates them at once: test.LANG, and test.group, which holds the
# language of each line where the corpus has many, and its test set elsewhere.
collect_tests() { # corpus; sets `tests`
  local source="${source_of[$1]}" target="${target_of[$1]}" from="${folders[$1]}" split part
  tests="$output/tests/$1"
  [[ ! -d "$tests" ]] || return 0
  part="$output/tests/.$1.part"
  rm -rf "$part"
  mkdir -p "$part"
  for split in $(splits_of "$from" "$source"); do
    [[ "$split" == test* ]] || continue
    for side in "$source" "$target"; do
      awk 1 "$from/$split.$side" >> "$part/test.$side" # with a newline at the end of each file
    done
    if [[ -e "$from/$split.lang" ]]; then
      awk 1 "$from/$split.lang" >> "$part/test.group"
    else
      yes "$split" | head -n "$(count_lines "$from/$split.$source")" >> "$part/test.group" || true
    fi
  done
  mv "$part" "$tests"
}

# Sets `databin` to the corpus in fairseq's format under a vocabulary, its own or (NAME/bbpe:N) another corpus's.
prepare_corpus() { # corpus, vocabulary
  local of="$2" vocabulary=(--vocab "$2" --at-most)
  if [[ "$2" == */* ]]; then
    prepare_corpus "${2%/*}" "${2#*/}"
    vocabulary=(--model "$databin/bbpe.model")
  fi
  of="${of//\//.}"
  databin="$output/data-bin/$1.${of/:/-}"
  [[ ! -d "$databin" ]] || return 0
  say "$1 under the vocabulary $2"
  collect_tests "$1"
  mkdir -p "$output/data-bin"
  fairseq-bbpe prepare --source-lang "${source_of[$1]}" --target-lang "${target_of[$1]}" "${vocabulary[@]}" \
    --trainpref "${folders[$1]}/train" --validpref "${folders[$1]}/valid" --testpref "$tests/test" \
    --destdir "$databin" --workers "$(nproc)" > "$databin.log"
}

# Bytes and characters make sentences longer than fairseq's 1024.
longest=(--max-source-positions 4096 --max-target-positions 4096)

# What distinguishes a system's model and its training, beside the corpus: sets `flags` and `task`.
model_flags() {
  task=translation
  case "$arch" in
    transformer | flores)
      flags=(--share-all-embeddings --embed-context "$context")
      case "$scale:$arch" in
        tiny:*)
          flags+=(--arch transformer_bbpe_ctx_tiny --lr 0.003 --warmup-updates 60
            --encoder-embed-dim 128 --decoder-embed-dim 128 --encoder-ffn-embed-dim 512 --decoder-ffn-embed-dim 512)
          ;;
        *:flores) flags+=(--arch transformer_bbpe_ctx_flores --lr 0.0007 --warmup-updates 4000) ;;
        base:*) flags+=(--arch transformer_bbpe_ctx --lr 0.0007 --warmup-updates 4000) ;;
        big:*) flags+=(--arch transformer_bbpe_ctx_big --lr 0.0005 --warmup-updates 4000) ;;
      esac
      ;;
    bytenet | bytenet_v2)
      flags=(--arch "$arch" --lr 0.003 --warmup-updates 1000)
      [[ "$scale" != tiny ]] || flags=(--arch bytenet_tiny --lr 0.003 --warmup-updates 60)
      if [[ "$arch" == bytenet ]]; then
        # The first version of its paper: Sub-Batch Normalisation, with batches and a search of its own, and n-grams.
        task=translation_sub_batch
        [[ "$scale" != tiny ]] || flags+=(--norm sub_batch --unfold zero)
        # Two sentences make a batch at least; longer ones are left out of training.
        flags+=(--max-source-positions $((max_tokens / 2 - 25)) --max-target-positions $((max_tokens / 2 - 25)))
        flags+=(--source-ngrams "$databin/ngrams.${source_of[$corpus]}.pt"
          --target-ngrams "$databin/ngrams.${target_of[$corpus]}.pt")
        [[ -e "$databin/ngrams.${target_of[$corpus]}.pt" ]] ||
          fairseq-bbpe ngrams "$databin" --output "$databin/ngrams" > "$databin.ngrams.log"
      fi
      ;;
    *) die "$systems: $system has the arch $arch; give transformer, flores, bytenet or bytenet_v2" ;;
  esac
  [[ "$trainable" == - ]] || flags+=(--trainable "$trainable")
  [[ "$scale" != base || "$base_flags" == - ]] || flags+=($base_flags)
}

# Trains a system until its budget is spent; a run with a larger budget goes on.
train_system() { # its folder
  local budget=(--max-update "${updates:-$default_updates}") command start=() save told reached=0 origin=""
  [[ "$corpus" != si-en || "$scale" == tiny || -n "$updates" ]] || budget=(--max-update 20000)
  [[ -z "$minutes" ]] || budget=(--stop-time-hours "$(awk "BEGIN { print $minutes / 60 }")" --max-update "${updates:-10000000}")
  if [[ "$pretrained" != - ]]; then
    # What was tuned from an earlier state of the pretrained model begins again: its frozen parts are of that state.
    start=(--finetune-from-model "$output/systems/$pretrained/checkpoint_best.pt")
    origin="$(sha256sum < "${start[1]}")"
    [[ ! -e "$1/origin" || "$(< "$1/origin")" == "$origin" ]] || rm -r "$1"
  fi
  save=$((budget[-1] < 10000 ? (budget[-1] + 3) / 4 : 2500))
  [[ "$scale" != tiny || -z "$minutes" ]] || save=200
  command=(fairseq-train "$databin" --source-lang "${source_of[$corpus]}" --target-lang "${target_of[$corpus]}"
    "${plugin[@]}" --task "$task" "${longest[@]}" "${flags[@]}" "${start[@]}" "${hardware[@]}" --seed "$seed"
    --optimizer adam --adam-betas '(0.9, 0.98)' --lr-scheduler inverse_sqrt --warmup-init-lr 1e-7
    --criterion label_smoothed_cross_entropy --label-smoothing 0.1
    --max-tokens "$max_tokens" --update-freq "$batches" --max-tokens-valid 8192 --skip-invalid-size-inputs-valid-test
    --num-workers 0 --no-epoch-checkpoints --save-dir "$1" --log-interval 20)
  told="OMP_NUM_THREADS=$OMP_NUM_THREADS ${command[*]}"
  told="${told//"$output"/OUTPUT}" told="${told//"$root"/PROJECT}"
  if [[ -e "$1/command" && "$(< "$1/command")" != "$told" ]]; then
    die "$1 was trained with other options: remove that folder, or give another --output"
  fi
  [[ ! -e "$1/trained" || "$(< "$1/trained")" != "${budget[*]}" ]] || return 0
  [[ ! -e "$1/train.log" || -n "$minutes" ]] || reached="$(logged "$1/train.log" 'num_updates [0-9]*' || true)"
  ((${reached:-0} <= budget[-1])) || die "$1 was trained for $reached updates: give as many or more, or another --output"
  mkdir -p "$1"
  echo "$told" > "$1/command"
  echo "$origin" > "$1/origin"
  if ((${reached:-0} < budget[-1])); then
    say "Training $system; the log is $1/train.log"
    "${command[@]}" "${budget[@]}" --save-interval-updates "$save" --keep-interval-updates 1 2> "$1/errors.log" |
      tee -a "$1/train.log" |
      while IFS= read -r line; do # not awk or sed, some of which wait for a full buffer
        case "$line" in
          *"| train_inner | "* | *"valid on "* | *"trainable: "*) line="${line#* | INFO | }"; echo "  ${line:0:110}" >&2 ;;
        esac
      done || { tail -n 3 "$1/errors.log" >&2; die "training $system failed; to train it from its beginning, remove $1"; }
  fi
  echo "${budget[*]}" > "$1/trained"
}

# Translates a split with the best checkpoint by validation loss, and scores it into SPLIT.scores.
translate() { # folder, split, checkpoint, references, groups...
  local beam=5 decode level=() length=(--max-len-a 1.5 --max-len-b 30)
  [[ "$corpus" != en-de ]] || beam=4
  case "$vocabulary" in
    char | bpe:*) decode=(--bpe sentencepiece --sentencepiece-model "$databin/sentencepiece.bpe.model") ;;
    fairseq:*) decode=(--bpe byte_bpe --sentencepiece-model-path "$databin/byte_bpe.model") ;;
    *) decode=(--bpe bbpe --bbpe-model "$databin/bbpe.model") level=(--byte-level) ;;
  esac
  # A Japanese character becomes three English ones, and the length limit is no property of a vocabulary.
  [[ "$vocabulary" != char || "$arch" != transformer ]] || length=(--max-len-a 4 --max-len-b 100)
  say "Translating $2 with $system"
  fairseq-generate "$databin" --source-lang "${source_of[$corpus]}" --target-lang "${target_of[$corpus]}" \
    "${plugin[@]}" --task "$task" --path "$3" --gen-subset "$2" --beam "$beam" "${length[@]}" "${longest[@]}" \
    --max-tokens 12000 "${hardware[@]:0:1}" "${decode[@]}" > "$1/$2.out.part" 2> "$1/$2.log" ||
    { tail -n 3 "$1/$2.log" >&2; die "translating with $system failed; $1/$2.log says all"; }
  mv "$1/$2.out.part" "$1/$2.out"
  fairseq-bbpe score "$1/$2.out" --reference "$4" "${level[@]}" "${@:5}" > "$1/$2.scores.part"
  mv "$1/$2.scores.part" "$1/$2.scores"
}

# The last figure that stands behind a name in a log of fairseq's.
logged() { grep -a -o "$2" "$1" | tail -n 1 | grep -o '[0-9][0-9.,]*' | tail -n 1 | tr -d ,; }

# The minutes of all sessions of a training: fairseq's clock starts again with each.
minutes_of() { # log
  awk '/num. shared model params/ { total += last; last = 0 }
    match($0, /\| wall [0-9.]+/) { last = substr($0, RSTART + 7, RLENGTH - 7) }
    END { printf "%.1f", (total + last) / 60 }' "$1"
}

# What a reader needs to judge a system's scores, and to compute them again: KEY<tab>VALUE lines.
write_facts() { # its folder
  local log="$1/train.log" source="${source_of[$corpus]}" of generated="$1/test.log"
  [[ -e "$generated" ]] || generated="$1/valid.log"
  [[ "$trainable" != none ]] || log="$output/systems/$pretrained/train.log"
  {
    printf '%s\t%s\n' \
      data "$(for of in "$corpus" $([[ "$vocabulary" != */* ]] || echo "${vocabulary%/*}"); do
        checksum "$of" "${folders[$of]}"
      done | paste -s -d ' ')" \
      pairs "$(count_lines "${folders[$corpus]}/train.$source")" \
      pieces "$(count_lines "$databin/dict.$source.txt")" \
      unknown "$(logged "$databin/preprocess.log" "pieces/test.$source: .* [0-9.]*% replaced")" \
      parameters "$(logged "$log" 'shared model params: [0-9,]*')" \
      generate_tokens_s "$(logged "$generated" '[0-9.]* tokens/s')" \
      generate_sentences_s "$(logged "$generated" '[0-9.]* sentences/s')" \
      hardware "$device" seed "$seed" commit "$commit" \
      command "OMP_NUM_THREADS=$OMP_NUM_THREADS bash examples/bbpe/run.sh${data:+ --data DATA} --scale $scale --gpus $gpus\
${updates:+ --updates $updates}${minutes:+ --minutes $minutes} --max-tokens $max_tokens --seed $seed \
--systems $(printf '%q' "${systems#"$root/"}") $system"
    if [[ "$trainable" == none ]]; then
      printf '%s\t%s\n' trained 0 updates 0 minutes 0 train_tokens_s - train_sentences_s -
    else
      printf '%s\t%s\n' \
        trained "$(logged "$log" 'shared model params: .* (num. trained: [0-9,]*')" \
        updates "$(logged "$log" 'num_updates [0-9]*')" \
        minutes "$(minutes_of "$log")" \
        train_tokens_s "$(logged "$log" '| wps [0-9.]*')" \
        train_sentences_s \
        "$(awk "BEGIN { printf \"%.1f\", $(logged "$log" '| ups [0-9.]*') * $(logged "$log" '| bsz [0-9.]*') }")"
    fi
  } > "$1/facts.tsv.part"
  mv "$1/facts.tsv.part" "$1/facts.tsv"
}

# Makes all that a system stands on, and then itself; `finished` names those that this run has been through.
run_system() { # name
  local run="$output/systems/$1" checkpoint
  find_system "$1"
  if [[ "$pretrained" != - && " ${finished[*]} " != *" $pretrained "* ]]; then
    run_system "$pretrained"
    find_system "$1"
    run="$output/systems/$1"
  fi
  prepare_corpus "$corpus" "$vocabulary"
  collect_tests "$corpus"
  model_flags
  checkpoint="$run/checkpoint_best.pt"
  if [[ "$trainable" == none ]]; then
    checkpoint="$output/systems/$pretrained/checkpoint_best.pt"
    mkdir -p "$run"
  else
    train_system "$run"
  fi
  finished+=("$1")
  local split splits=(test) references=("$tests/test.${target_of[$corpus]}" --groups "$tests/test.group")
  # Figure 4 shows validation alone.
  [[ ",$tables," != *,figure4,* ]] || splits=(test valid)
  [[ "$table" != figure4 ]] || splits=(valid)
  for split in "${splits[@]}"; do
    [[ "$split" == test ]] || references=("$databin/raw/valid.${target_of[$corpus]}")
    if [[ ! "$run/$split.scores" -nt "$checkpoint" ]]; then
      translate "$run" "$split" "$checkpoint" "${references[@]}"
      write_facts "$run"
    fi
  done
  [[ -e "$run/facts.tsv" && ! "$run/trained" -nt "$run/facts.tsv" ]] || write_facts "$run"
}
