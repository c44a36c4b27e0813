"""Figures 5 and 6 of the ByteNet paper: lengths against NumPy, gradients against differences, as commands."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

fairseq = pytest.importorskip("fairseq")
pytest.importorskip("matplotlib")
from conftest import ADAM, QUICK, run  # noqa: E402
from test_bytenet import build, sentences  # noqa: E402

from fairseq_bbpe.analysis.gradients import sum_words, symbol_gradients  # noqa: E402
from fairseq_bbpe.analysis.lengths import correlation, length_table  # noqa: E402
from fairseq_bbpe.analysis.tables import read_table  # noqa: E402
from fairseq_bbpe.errors import UserError  # noqa: E402

PNG = b"\x89PNG\r\n\x1a\n"


@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=30))
def test_correlation_is_that_of_the_sentences(pairs):
    source, target = zip(*pairs, strict=True)
    unique = sorted(set(pairs))
    table = np.array([(*pair, pairs.count(pair)) for pair in unique])
    if len(set(source)) > 1 and len(set(target)) > 1:
        assert correlation(table) == pytest.approx(np.corrcoef(source, target)[0, 1])
    else:
        assert np.isnan(correlation(table))


def test_lengths_count_characters_or_bytes_and_only_newlines_end_a_line(tmp_path):
    (tmp_path / "a").write_bytes("äöü\u2028x\n\nz\r\n".encode())
    (tmp_path / "b").write_bytes(b"abc\nabc\nno newline\xff")
    assert length_table(tmp_path / "a", tmp_path / "b").tolist() == [[0, 3, 1], [2, 11, 1], [5, 3, 1]]
    assert length_table(tmp_path / "a", tmp_path / "b", "bytes")[-1].tolist() == [10, 3, 1]
    (tmp_path / "c").write_text("one line\n")
    with pytest.raises(UserError, match=r"a has 3 lines, .*c has 1: give parallel files"):
        length_table(tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("options", [{}, {"unfold": "zero"}, {"target_network": "rnn"}], ids=str)
def test_symbol_gradients_are_those_of_the_embeddings(options):
    """The norm of a gradient is the steepest change: a small step along it changes the log-probability so much."""
    model = build(**options).double().eval()
    source, target = sentences([7])[0], sentences([9])[0]
    by_source, by_target = symbol_gradients(model, source, target)
    assert by_source.shape == (7, 9)
    assert by_target.shape == (9, 9)
    assert not torch.tril(by_target, diagonal=-1).any()  # step t reads nothing after what step t is given

    def log_probability(step, shift):
        hook = model.encoder.embedding.register_forward_hook(lambda _m, _i, out: out + shift if out.dim() == 3 else out)
        previous = torch.cat([target[-1:], target[:-1]]).unsqueeze(0)
        logits, _ = model(source.unsqueeze(0), torch.tensor([7]), previous)
        hook.remove()
        return logits[0, step].log_softmax(-1)[target[step]]

    embedded = model.encoder.embedding(source.unsqueeze(0))
    width = model.encoder(source.unsqueeze(0))["columns"].size(1)
    shift = torch.zeros(1, width, embedded.size(-1), dtype=torch.double, requires_grad=True)
    (direction,) = torch.autograd.grad(log_probability(4, shift), shift)
    small = 1e-7  # so that no ReLU's kink lies within the step
    for position in (0, 3, 6):
        step = torch.zeros_like(shift)
        step[0, position] = direction[0, position] / direction[0, position].norm() * small
        with torch.no_grad():
            change = (log_probability(4, step) - log_probability(4, -step)) / (2 * small)
        assert float(by_source[position, 4]) == pytest.approx(float(change), rel=1e-3)


def test_words_sum_their_symbols_and_each_column_has_a_largest_value_of_one():
    summed = sum_words(np.arange(12.0).reshape(3, 4), [0, 0, 1], [0, 1, 1, 2])
    expected = np.array([[0 + 4, 1 + 2 + 5 + 6, 3 + 7], [8, 9 + 10, 11]])
    np.testing.assert_allclose(summed, expected / expected.max(axis=0))


def test_lengths_as_a_command(corpus, tmp_path):
    sides = ["--source", corpus / "test.src", "--target", corpus / "test.en"]
    out = run("fairseq-bbpe", "analyze", "length-correlation", *sides, "--output", tmp_path / "figure").stdout
    table = np.loadtxt(tmp_path / "figure.tsv", skiprows=1, dtype=int)
    assert f"rho {correlation(table):.3f}" in out
    assert table[:, 2].sum() == len((corpus / "test.en").read_text(encoding="utf-8").splitlines())
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("arch", ["bytenet_tiny", "transformer_bbpe_ctx_tiny"])
def test_gradients_as_a_command(arch, data_bin, tmp_path):
    run("fairseq-train", data_bin, *QUICK, *ADAM, "--arch", arch, "--max-update", "2", "--save-dir", tmp_path)
    asked = ["--checkpoint", tmp_path / "checkpoint_last.pt", "--sentence", "3 días", "--translation", "three days"]
    out = run("fairseq-bbpe", "analyze", "saliency", data_bin, *asked, "--output", tmp_path / "figure").stdout
    assert out == "three days\n"
    rows = [line.split("\t") for line in (tmp_path / "figure.tsv").read_text(encoding="utf-8").splitlines()]
    assert rows[0] == ["side", "word", "three", "days", "</s>"]
    assert [row[:2] for row in rows[1:]] == [
        *(["source", word] for word in ("3", "días", "</s>")),
        *(["target", word] for word in ("three", "days", "</s>")),
    ]
    values = np.array([row[2:] for row in rows[1:]], dtype=float)
    assert (values[:3].max(axis=0) == 1).all()
    assert values[4, 0] == values[5, 0] == values[5, 1] == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(PNG)
    command = ["fairseq-bbpe", "analyze", "saliency", data_bin, *asked, "--output", tmp_path / "x"]
    for odd, words in (("a\tb", ["a b", "</s>"]), ("", ["</s>"])):
        run(*command, "--sentence", odd, "--translation", odd)
        assert read_table(tmp_path / "x.tsv")[0] == ["side", "word", *words]
    (tmp_path / "text.pt").write_text("no checkpoint")
    for name, problem in (("no.pt", "no such file: give a checkpoint"), ("text.pt", "damaged, or not a model of")):
        said = run(*command, "--checkpoint", tmp_path / name, status=2).stderr
        assert said.startswith(f"fairseq-bbpe: error: --checkpoint {tmp_path / name}: {problem}")
        assert said.count("\n") == 1
