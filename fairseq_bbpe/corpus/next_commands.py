"""The commands that `prepare` prints: train, generate and score on its data-bin, ready to paste into a shell."""

import json
import math
import shlex
from pathlib import Path

import fairseq_bbpe
from fairseq_bbpe.corpus.parallel_files import Corpus
from fairseq_bbpe.corpus.preparation import Prepared
from fairseq_bbpe.corpus.recipes import recipe_for

# What fairseq takes where nothing else is said: the longest sentence of a model, and of a hypothesis.
POSITIONS, HYPOTHESIS = 1024, 200
# A batch is at least as long as the longest training sentence, up to so many tokens; longer ones are skipped.
MAX_TOKENS = 4096

_TRAIN = """\
# train, as suits {pairs:,} pairs on a CPU; on a GPU: --arch transformer_bbpe_ctx --bf16
fairseq-train {data} {languages} \\
  --user-dir {plugin} {task}--arch transformer_bbpe_ctx_tiny --share-all-embeddings \\
  --optimizer adam --adam-betas '(0.9, 0.98)' --criterion label_smoothed_cross_entropy_blocks --label-smoothing 0.1 \\
  {recipe} \\
  {positions}{validation} \\
  --save-dir {checkpoints} --no-epoch-checkpoints"""

_GENERATE = """\
# translate{and_score}
fairseq-generate {data} {languages} --gen-subset {subset} \\
  --user-dir {plugin} {task}--path {checkpoint} --beam 5 --batch-size 64 \\
  {positions}{bpe} > {out}.out
grep -a ^D- {out}.out | LC_ALL=C sort -V | cut -f3- > {out}.{target}"""

_SCORE = """
sacrebleu {data}/raw/{subset}.{target} < {out}.{target}"""


def next_commands(corpus: Corpus, prepared: Prepared, destination: Path) -> str:
    """The shell lines that train on `destination`, and then generate and score every test split.

    Without training files they translate with a model that is trained already.
    """
    vocabulary = prepared.vocabulary
    checkpoints = shlex.quote(f"checkpoints/{destination.resolve().name}")
    limit, hypothesis = _positions(prepared), _hypothesis_limits(corpus, prepared)
    names = {
        "data": shlex.quote(str(destination)),
        "plugin": shlex.quote(str(_plugin())),
        "checkpoints": checkpoints,
        "target": shlex.quote(corpus.target),
        # fairseq guesses them from file names, but not those with a dot or a hyphen.
        "languages": shlex.join(["--source-lang", corpus.source, "--target-lang", corpus.target]),
        "task": "".join(f"{word} " for word in vocabulary.task_flags()),
        "bpe": shlex.join(vocabulary.fairseq_flags(destination / vocabulary.FILE)),
        "and_score": "" if corpus.only_source else ", and score on the raw references",
    }
    positions = f"--max-source-positions {limit} --max-target-positions {limit} \\\n  " if limit > POSITIONS else ""
    if "train" not in corpus.prefixes:
        names["checkpoint"] = '"$CHECKPOINT"'
        folder, mark = ".", ".hyp"  # test.en may be the user's reference
        blocks = ["# CHECKPOINT is the file of your trained model"]
    else:
        best = "best" if "valid" in corpus.prefixes else "last"
        names["checkpoint"] = f"{checkpoints}/checkpoint_{best}.pt"
        folder, mark = checkpoints, ""
        validation = _validation(corpus, vocabulary.validation_flags(), hypothesis)
        pairs = prepared.lengths["train"][corpus.source].lines
        recipe = " \\\n  ".join(recipe_for(pairs).flags(limit))
        blocks = [_TRAIN.format(**names, pairs=pairs, recipe=recipe, positions=positions, validation=validation)]
    positions += "".join(f"--{flag.replace('_', '-')} {value} " for flag, value in hypothesis.items())
    template = _GENERATE if corpus.only_source else _GENERATE + _SCORE
    tests = [name for name in corpus.prefixes if name.startswith("test")]
    blocks += [
        template.format(**names, positions=positions, subset=name, out=f"{folder}/{name}{mark}") for name in tests
    ]
    return "\n\n".join(blocks)


def _validation(corpus: Corpus, bleu: list[str], hypothesis: dict[str, float]) -> str:
    if "valid" not in corpus.prefixes:
        return "--valid-subset train --disable-validation"  # fairseq loads one all the same
    # One sentence above the limits would otherwise end the epoch in an error.
    skip = "--skip-invalid-size-inputs-valid-test"
    if not bleu:
        return skip  # by loss: fairseq has no validation BLEU for this vocabulary
    arguments = shlex.quote(json.dumps({"beam": 1, **hypothesis}))
    return (
        f"{skip} {shlex.join(bleu)} --eval-bleu-args {arguments} \\\n  "
        "--best-checkpoint-metric bleu --maximize-best-checkpoint-metric"
    )


def _positions(prepared: Prepared) -> int:
    """Tokens of the longest sentence, with </s>; of a training sentence no more than a batch holds."""
    longest = {name: max(side.longest for side in sides.values()) + 1 for name, sides in prepared.lengths.items()}
    if "train" in longest:
        longest["train"] = min(longest["train"], MAX_TOKENS)
    return max(longest.values())


def _hypothesis_limits(corpus: Corpus, prepared: Prepared) -> dict[str, float]:
    """fairseq's limits of a hypothesis, where 200 tokens are too few: twice as long as such text is translated."""
    if corpus.only_source:
        longest = max(sides[corpus.source].longest for sides in prepared.lengths.values())
        return {"max_len_a": 2, "max_len_b": 50} if longest > HYPOTHESIS / 2 else {}
    pairs = [(sides[corpus.source], sides[corpus.target]) for sides in prepared.lengths.values()]
    if max(target.longest for _, target in pairs) <= HYPOTHESIS:
        return {}
    source, target = (sum(pair[side].total for pair in pairs) for side in (0, 1))
    return {"max_len_a": math.ceil(20 * target / max(source, 1)) / 10, "max_len_b": 50}


def _plugin() -> Path:
    """The folder for `--user-dir`, short where the package lies in the working folder."""
    folder = Path(fairseq_bbpe.__file__).resolve().parent
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder
