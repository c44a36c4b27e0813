"""The commands that `prepare` prints run as they stand, on any data."""

# ruff: noqa: F811  (fixtures that are imported)

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from small_text import corpus, prepare, prepared, shell_environment  # noqa: F401

from fairseq_bbpe.corpus.next_commands import next_commands
from fairseq_bbpe.corpus.parallel_files import Corpus
from fairseq_bbpe.corpus.preparation import Lengths, Prepared
from fairseq_bbpe.vocabularies.byte_level import Vocabulary

pytest.importorskip("fairseq", reason="needs fairseq")


def test_printed_commands_run(corpus, prepared):
    """As printed, but for the length of the training and of what an untrained model writes."""
    script = (corpus / "bbpe.sh").read_text(encoding="utf-8")
    short = script
    for printed, quick in (
        ("--max-update 3200", "--max-epoch 1 --encoder-layers 1 --decoder-layers 1 --num-workers 0 --cpu"),
        ('{"beam": 1}', '{"beam": 1, "max_len_b": 20, "min_len": 9}'),
        ("--beam 5", "--beam 2 --max-len-b 20 --cpu"),
    ):
        assert printed in short
        short = short.replace(printed, quick)
    assert script.count("sacrebleu ") == 2
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", short], cwd=corpus, capture_output=True, text=True, env=shell_environment()
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert finished.stdout.count('"name": "BLEU"') == 2
    hypotheses = (corpus / "checkpoints/bbpe, 300/test.en.txt").read_bytes()
    assert hypotheses.count(b"\n") == 8


def short(script: str) -> str:
    """A training of a moment, and short hypotheses."""
    script = re.sub(r"--max-len-a \S+ --max-len-b \S+ |, \"max_len_a.*?(?=})", "", script)
    for printed, quick in (
        ("--max-update 3200", "--max-update 2 --encoder-layers 1 --decoder-layers 1 --num-workers 0 --cpu"),
        ('"beam": 1', '"beam": 1, "max_len_b": 20'),
        ("--beam 5", "--beam 1 --max-len-b 20 --cpu"),
    ):
        script = script.replace(printed, quick)
    return script


def shell(script: str, folder, **variables) -> subprocess.CompletedProcess:
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        env=shell_environment() | variables,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return finished


def test_long_sentences_train_and_translate_and_an_odd_one_loses_no_epoch(tmp_path):
    """Validation has a sentence above fairseq's 1,024 pieces, and the test set one of more bytes than any."""
    for name, longest in (("train", 40), ("valid", 1500), ("test", 1100)):
        for language in ("ja", "en.txt"):
            (tmp_path / f"{name}.{language}").write_text(f"short\n{'x' * longest}\n" * 2)
    script = prepare(tmp_path, "--vocab", "byte", "--destdir", "bin").stdout
    assert script.count("--max-source-positions 1501 --max-target-positions 1501") == 2
    assert "--max-tokens 1501 " in script
    shell(short(script), tmp_path)
    assert (tmp_path / "checkpoints/bin/test.en.txt").read_bytes().count(b"\n") == 4


def test_without_validation_the_last_checkpoint_is_translated_with(tmp_path):
    for language in ("ja", "en.txt"):
        (tmp_path / f"train.{language}").write_text("one line\nand another\n" * 4)
    script = prepare(tmp_path, "--vocab", "byte", "--destdir", "bin", "--testpref", "train", pairs=["train"]).stdout
    assert "checkpoints/bin/checkpoint_last.pt" in script
    shell(short(script), tmp_path)


def test_test_sets_and_single_sides_for_a_trained_model(corpus, prepared, tmp_path):
    train, *_ = (corpus / "bbpe.sh").read_text(encoding="utf-8").split("\n\n")
    shell(short(train), corpus)
    checkpoint = next((corpus / "checkpoints").rglob("checkpoint_last.pt"))
    model = ["--model", prepared / "bbpe.model"]
    for name, more in (("pairs", []), ("sources", ["--only-source"])):
        script = prepare(corpus, *model, *more, "--destdir", tmp_path / name, pairs=["test"]).stdout
        assert (tmp_path / name / "dict.en.txt.txt").read_bytes() == (prepared / "dict.en.txt.txt").read_bytes()
        assert ("sacrebleu" in script, "fairseq-train" in script) == (not more, False)
        (tmp_path / f"out-{name}").mkdir()
        shell(short(script), tmp_path / f"out-{name}", CHECKPOINT=str(checkpoint))
    found = {(tmp_path / f"out-{name}/test.hyp.en.txt").read_bytes() for name in ("pairs", "sources")}
    assert len(found) == 1
    assert found.pop().count(b"\n") == 8


def printed(lengths: dict, only_source=False) -> str:
    corpus = Corpus("a", "b", dict.fromkeys(lengths, "prefix"), only_source)
    sides = ("a",) if only_source else ("a", "b")
    of_splits = {name: dict(zip(sides, map(Lengths._make, both), strict=True)) for name, both in lengths.items()}
    return next_commands(corpus, Prepared(Vocabulary.learn([], 256), of_splits), Path("data-bin/a-b"))


def test_no_output_has_the_name_of_the_users_files():
    script = printed({"test": (FEW, FEW)})
    assert re.findall("> (.*)", script) == ["./test.hyp.out", "./test.hyp.b"]


FEW = (100, 900, 9)


@pytest.mark.parametrize(
    ("lengths", "limit", "tokens"),
    [
        ({"train": (FEW, FEW), "valid": (FEW, FEW)}, None, 1250),
        ({"train": (FEW, (1023, 1023, 1)), "valid": (FEW, FEW)}, None, 1250),
        ({"train": (FEW, (1024, 1024, 1)), "valid": (FEW, FEW)}, 1025, 1250),
        ({"train": ((9000, 9000, 1), FEW), "valid": (FEW, FEW)}, 4096, 4096),
        ({"train": (FEW, FEW), "valid": ((2000, 2000, 1), FEW)}, 2001, 2001),
        ({"train": (FEW, FEW), "test": (FEW, (5000, 5000, 1))}, 5001, 5001),
    ],
)
def test_limits_are_those_of_the_longest_sentence(lengths, limit, tokens):
    script = printed(lengths)
    assert f"--max-tokens {tokens} " in script
    found = {
        tuple(map(int, pair))
        for pair in re.findall(r"--max-source-positions (\d+) --max-target-positions (\d+)", script)
    }
    assert found == ({(limit, limit)} if limit else set())


def test_hypotheses_may_be_twice_as_long_as_the_data_are_where_200_tokens_are_too_few():
    assert "max-len" not in printed({"train": ((900, 900, 9), (200, 900, 9)), "test": (FEW, FEW)})
    script = printed(
        {
            "train": ((900, 1000, 9), (201, 1230, 9)),
            "valid": ((100, 900, 9), (90, 20, 9)),
            "test": ((5, 100, 9), (5, 50, 9)),
        }
    )
    # 2 * (1230 + 20 + 50) / (1000 + 900 + 100) = 1.3
    assert "--max-len-a 1.3 --max-len-b 50 --bpe bbpe" in script
    arguments = re.search(r"--eval-bleu-args ('.*?')", script)[1]
    assert json.loads(*shlex.split(arguments)) == {"beam": 1, "max_len_a": 1.3, "max_len_b": 50}
    assert "--max-len-a 2 --max-len-b 50" in printed({"test": ((101, 101, 1),)}, only_source=True)
    assert "max-len" not in printed({"test": ((100, 100, 1),)}, only_source=True)


@pytest.mark.parametrize(
    ("pairs", "flags"),
    [
        (3_944, "--lr 0.001 --lr-scheduler polynomial_decay --total-num-update 3200 --warmup-updates 100"),
        (38_851, "--lr 0.0015 --lr-scheduler polynomial_decay --total-num-update 2000 --warmup-updates 300"),
        (90_000, "--lr 0.001 --lr-scheduler polynomial_decay --total-num-update 8000 --warmup-updates 600"),
        (4_500_000, "--lr 0.0007 --lr-scheduler inverse_sqrt --warmup-updates 4000"),
    ],
)
def test_how_to_train_depends_on_the_size_of_the_corpus(pairs, flags):
    side = (100, 20 * pairs, pairs)
    script = printed({"train": (side, side), "valid": (FEW, FEW)})
    assert f"{pairs:,} pairs" in script
    assert f"{flags} --clip-norm 1" in script
