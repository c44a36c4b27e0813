"""The commands that `prepare` prints: train, generate and score on its data-bin, ready to paste into a shell."""

import shlex
from pathlib import Path

import fairseq_bbpe
from fairseq_bbpe.corpus.parallel_files import Corpus
from fairseq_bbpe.vocabularies.model_file import SubwordVocabulary

_TRAIN = """\
# train (on a GPU: --arch transformer_bbpe_ctx --fp16)
fairseq-train {data} {languages} \\
  --user-dir {plugin} {task}--arch transformer_bbpe_ctx_tiny --share-all-embeddings \\
  --optimizer adam --adam-betas '(0.9, 0.98)' --lr 0.001 --lr-scheduler inverse_sqrt --warmup-updates 1000 \\
  --criterion label_smoothed_cross_entropy --label-smoothing 0.1 --max-tokens 4096 --max-epoch 20 \\
  {validation} \\
  --save-dir {checkpoints} --no-epoch-checkpoints"""

_GENERATE = """\
# translate, and score on the raw references
fairseq-generate {data} {languages} --gen-subset {subset} \\
  --user-dir {plugin} {task}--path {checkpoints}/{checkpoint} --beam 5 --batch-size 64 \\
  {bpe} > {checkpoints}/{subset}.out
grep -a ^D- {checkpoints}/{subset}.out | LC_ALL=C sort -V | cut -f3- > {checkpoints}/{subset}.{target}
sacrebleu {data}/raw/{subset}.{target} < {checkpoints}/{subset}.{target}"""


def next_commands(corpus: Corpus, vocabulary: SubwordVocabulary, destination: Path) -> str:
    """The shell lines that train on `destination`, and then generate and score every test split."""
    names = {
        "data": shlex.quote(str(destination)),
        "plugin": shlex.quote(str(_plugin())),
        "checkpoints": shlex.quote(f"checkpoints/{destination.resolve().name}"),
        "target": shlex.quote(corpus.target),
        # fairseq guesses them from file names, but not those with a dot or a hyphen.
        "languages": shlex.join(["--source-lang", corpus.source, "--target-lang", corpus.target]),
    }
    names["task"] = "".join(f"{word} " for word in vocabulary.task_flags())
    names["bpe"] = shlex.join(vocabulary.fairseq_flags(destination / vocabulary.FILE))
    bleu = vocabulary.validation_flags()
    if "valid" in corpus.prefixes:
        names["checkpoint"] = "checkpoint_best.pt"
        # By loss where fairseq has no validation BLEU for this vocabulary.
        names["validation"] = (
            "--validate-interval 1"
            if not bleu
            else (
                f"""{shlex.join(bleu)} --eval-bleu-args '{{"beam": 1}}' \\\n  """
                "--best-checkpoint-metric bleu --maximize-best-checkpoint-metric"
            )
        )
    else:
        names["checkpoint"] = "checkpoint_last.pt"
        names["validation"] = "--disable-validation"
    tests = [name for name in corpus.prefixes if name.startswith("test")]
    blocks = [_TRAIN.format(**names)] + [_GENERATE.format(**names, subset=name) for name in tests]
    return "\n\n".join(blocks)


def _plugin() -> Path:
    """The folder for `--user-dir`, short where the package lies in the working folder."""
    folder = Path(fairseq_bbpe.__file__).resolve().parent
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
