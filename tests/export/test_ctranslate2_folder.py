"""Exported models give every token the probability that fairseq's give it; what cannot be exact is refused."""

import pytest
import torch
from conftest import run
from untrained import VOCABULARY, engine_of, log_probabilities

from fairseq_bbpe.engines.ctranslate2_model import with_neighbours
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.translator import Translator

pytest.importorskip("ctranslate2")
from fairseq_bbpe.engines.ctranslate2_model import CTranslate2Model
from fairseq_bbpe.export.ctranslate2_folder import export_ctranslate2, neighbour_tables

EXACT = {
    "none": {"embed_context": "none"},
    "conv": {"embed_context": "conv"},
    "wide conv, pre-norm": {
        "embed_context": "conv",
        "embed_context_kernel": 7,
        "encoder_normalize_before": True,
        "decoder_normalize_before": True,
    },
    "learned positions": {"embed_context": "conv", "encoder_learned_pos": True, "decoder_learned_pos": True},
    "one column": {"embed_context": "conv", "embed_context_kernel": 1},
    "stock": {"arch": "transformer"},
}


@pytest.mark.parametrize("name", EXACT)
def test_every_token_has_the_probability_of_fairseq(name, tmp_path):
    engine = engine_of(tmp_path, **EXACT[name])
    generator = torch.Generator().manual_seed(1)

    def sentences(lengths) -> list[list[str]]:
        drawn = [torch.randint(len(VOCABULARY), (length,), generator=generator).tolist() for length in lengths]
        return [[VOCABULARY.pieces[n] for n in numbers] for numbers in drawn]

    sources, targets = sentences(range(1, 21)), sentences(range(20, 0, -1))
    export_ctranslate2(engine, tmp_path / "out")
    exported = CTranslate2Model(tmp_path / "out")
    given = [with_neighbours([*pieces, "</s>"], exported._kernel) for pieces in sources]
    scored = exported._translator.score_batch(given, targets)
    for source, target, found in zip(sources, targets, scored, strict=True):
        expected = log_probabilities(engine, source, target)
        torch.testing.assert_close(torch.tensor(found.log_probs), expected, atol=1e-4, rtol=1e-4)


def test_the_sum_of_the_neighbours_is_the_convolution(tmp_path):
    model = engine_of(tmp_path, embed_context="conv").models[0]
    tokens = torch.randint(4, 290, (1, 9))
    with torch.no_grad():
        embeddings = model.encoder.embed_scale * model.encoder.embed_tokens(tokens)
        expected = model.encoder.contextualizer(embeddings, tokens.eq(1))
        tables = neighbour_tables(model.encoder)
    padded = [1, 1, *tokens[0].tolist(), 1, 1]
    for position in range(9):
        window = padded[position : position + 5]
        factors = [window[2], *window[:2], *window[3:]]
        found = sum(table[token] for table, token in zip(tables, factors, strict=True))
        torch.testing.assert_close(found, expected[0, position], atol=1e-5, rtol=1e-5)


def test_neighbours_stand_after_their_piece():
    assert with_neighbours(["a", "b"], 1) == ["a", "b"]
    assert with_neighbours(["a", "b"], 3) == ["a￨<blank>￨b", "b￨a￨<blank>"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embed_context": "gru"}, "--embed-context gru has no exact equal"),
        ({"embed_context": "mixture"}, "--embed-context mixture has no exact equal"),
        ({"embed_context": "conv", "embed_context_layers": 2}, "--embed-context-layers 2 has"),
        ({"embed_context": "conv", "embed_context_order": "positions-first"}, "--embed-context-order positions-first"),
        ({"embed_context": "none", "activation_fn": "tanh"}, "--activation-fn tanh"),
        ({"arch": "lstm"}, "no layers for a LSTMModel"),
    ],
)
def test_what_has_no_exact_equal_is_refused_with_the_option_to_train_with(options, message, tmp_path):
    if options.get("arch") == "lstm":
        options = {**options, "criterion": "", "decoder_out_embed_dim": 16}
    with pytest.raises(UserError, match=f"{message}.*train with .*--embed-context none, or conv in one layer"):
        export_ctranslate2(engine_of(tmp_path, **options), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_commands_make_folders_that_translate_alike(trained, tmp_path):
    checkpoint = trained / "checkpoint_best.pt"
    said = run(
        "fairseq-bbpe", "export", "ctranslate2", "--checkpoint", checkpoint, "--output", tmp_path / "c", status=2
    )
    assert "--embed-context gru" in said.stderr
    assert said.stderr.count("\n") == 1
    run("fairseq-bbpe", "export", "fairseq", "--checkpoint", checkpoint, "--output", tmp_path / "made")
    (tmp_path / "made").rename(tmp_path / "moved")
    lines = ["3 mois", "", "4 Tage"]
    moved = Translator.load(tmp_path / "moved", beam=2, max_len_a=0, max_len_b=30).translate(lines)
    assert moved == Translator.load(checkpoint, beam=2, max_len_a=0, max_len_b=30).translate(lines)
