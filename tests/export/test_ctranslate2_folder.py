"""Exported models give every token the probability that fairseq's give it; what cannot be exact is refused."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from conftest import BIN, environment, run
from untrained import VOCABULARY, engine_of, log_probabilities

from fairseq_bbpe.engines.ctranslate2_model import with_neighbours
from fairseq_bbpe.engines.search_options import SearchOptions
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.translator import Translator
from fairseq_bbpe.vocabularies import Vocabulary
from fairseq_bbpe.vocabularies.characters import CharacterVocabulary

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


@pytest.mark.parametrize("context", ["none", "conv"])
@pytest.mark.parametrize("source", ["the", "tqe", "q￨tq", "￨"])
def test_unknown_characters_have_their_embedding_and_no_other(context, source, tmp_path):
    """Also U+FFE8, which parts a piece from its neighbours."""
    characters = CharacterVocabulary.learn([b"the cat sat on the mat"], None)
    engine = engine_of(tmp_path, vocabulary=characters, embed_context=context)
    export_ctranslate2(engine, tmp_path / "out")
    exported = CTranslate2Model(tmp_path / "out")
    given = with_neighbours([*map(exported._known, source), "</s>"], exported._kernel)
    (found,) = exported._translator.score_batch([given], [list("cat")])
    expected = log_probabilities(engine, list(source), list("cat"))
    torch.testing.assert_close(torch.tensor(found.log_probs), expected, atol=1e-4, rtol=1e-4)
    assert list(exported.search_all([[list(source)]], SearchOptions(max_len_b=3)))


def test_a_learned_piece_that_parts_factors_is_refused(tmp_path):
    characters = CharacterVocabulary.learn(["the ￨ cat".encode()], None)
    with pytest.raises(UserError, match=r"holds U\+FFE8"):
        export_ctranslate2(engine_of(tmp_path, vocabulary=characters, embed_context="conv"), tmp_path / "out")


def test_translations_end_where_the_models_positions_do(tmp_path):
    export_ctranslate2(engine_of(tmp_path, embed_context="none"), tmp_path / "out")
    exported = CTranslate2Model(tmp_path / "out")
    (((found,),),) = exported.search_all([[["t", "h"]]], SearchOptions(max_len_b=5000))
    assert len(found.pieces) <= 98
    assert list(exported.search_all([[["t", "h"]]], SearchOptions(max_len_a=1e308))) == [[[found]]]


def test_the_command_starts_without_torch_and_fairseq(tmp_path):
    """Which take most of the time of a short text, and are not needed where only such folders are translated with."""
    export_ctranslate2(engine_of(tmp_path, embed_context="conv"), tmp_path / "out")
    (tmp_path / "absent").mkdir()
    for name in ("torch", "fairseq"):
        (tmp_path / "absent" / f"{name}.py").write_text(f"raise ImportError('{name} is not here')")
    options = ["--nbest", "3", "--max-len-a", "0", "--max-len-b", "9"]
    finished = subprocess.run(
        [BIN / "fairseq-bbpe", "translate", "--checkpoint", tmp_path / "out", *options],
        input="the cat\nmat\n",
        env={**environment(), "PYTHONPATH": str(tmp_path / "absent")},
        capture_output=True,
        text=True,
    )
    assert finished.stderr == ""
    translator = Translator.load(tmp_path / "out", nbest=3, max_len_a=0, max_len_b=9)
    found = translator.hypotheses([b"the cat", b"mat"])
    assert finished.stdout.splitlines() == [hypothesis.text for of_line in found for hypothesis in of_line]
    assert any(finished.stdout.splitlines())


@pytest.mark.parametrize("context", ["none", "conv"])
def test_another_vocabulary_is_refused(context, tmp_path):
    export_ctranslate2(engine_of(tmp_path, embed_context=context), tmp_path / "out")
    Vocabulary.learn([b"something else"], 260).save(tmp_path / "other")
    Translator.load(tmp_path / "out")
    with pytest.raises(UserError, match=r"other\.model: its pieces are not those of the model's dictionary"):
        Translator.load(tmp_path / "out", model=tmp_path / "other.model")


def test_nothing_of_an_earlier_export_is_left_and_nothing_else_is_lost(tmp_path):
    output = tmp_path / "out"
    characters = CharacterVocabulary.learn([b"the cat sat on the mat"], None)
    (tmp_path / "characters").mkdir()
    export_ctranslate2(engine_of(tmp_path, embed_context="conv"), output)
    engine = engine_of(tmp_path / "characters", vocabulary=characters, embed_context="none")
    export_ctranslate2(engine, output)
    assert Translator.load(output).vocabulary.pieces == characters.pieces
    assert {path.name for path in output.iterdir()} == {
        *("config.json", "model.bin", "sentencepiece.bpe.model", "shared_vocabulary.json", "translator.json")
    }
    (output / "notes.txt").write_text("mine")
    before = sorted(output.iterdir())
    with pytest.raises(UserError, match=r"--output .*out: exists and holds notes\.txt, so no 'export' made it"):
        export_ctranslate2(engine, output)
    with pytest.raises(UserError, match=r"--output .*characters: holds .*characters, which is read from"):
        export_ctranslate2(engine, tmp_path / "characters")
    assert sorted(output.iterdir()) == before


def test_another_models_vocabulary_beside_the_data_is_refused(tmp_path):
    engine = engine_of(tmp_path, embed_context="none")
    (tmp_path / VOCABULARY.FILE).write_bytes(Vocabulary.learn([b"something else"], 260).model)
    with pytest.raises(UserError, match=r"bbpe\.model: its pieces are not those of the model's dictionary"):
        export_ctranslate2(engine, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    here = tmp_path / "out" / "here"
    here.mkdir(parents=True)
    engine = engine_of(tmp_path, embed_context="none")
    monkeypatch.chdir(here)
    for output, how in ((Path(), "is"), (here.parent, "holds")):
        with pytest.raises(UserError, match=rf"^--output {output.resolve()}: {how} the current folder"):
            export_ctranslate2(engine, output)
    assert Path.cwd() == here
    assert list(here.parent.iterdir()) == [here]


@pytest.mark.parametrize("name", ["translator.json", "model.bin", "shared_vocabulary.json"])
def test_a_damaged_folder_is_told(name, tmp_path):
    output = tmp_path / "out"
    export_ctranslate2(engine_of(tmp_path, embed_context="none"), output)
    description = json.loads((output / "translator.json").read_text())
    for content in (b"", b"[1]", json.dumps(description | {"longest_source": None}).encode()):
        (output / name).write_bytes(content)
        with pytest.raises(UserError, match=r"out.*again with 'fairseq-bbpe export|out.*its pieces are not"):
            Translator.load(output)


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
    made = ["fairseq-bbpe", "export", "fairseq", "--output", tmp_path / "made", "--checkpoint"]
    run(*made, checkpoint)
    for several, told in ((trained, "is a folder: give a"), (f"{checkpoint}:{checkpoint}", "an ensemble is no single")):
        assert f"--checkpoint {several}: {told}" in run(*made, several, status=2).stderr
    (tmp_path / "made").rename(tmp_path / "moved")
    lines = ["3 mois", "", "4 Tage"]
    before = checkpoint.read_bytes()
    for folder in (tmp_path / "moved", trained):
        file = folder / ("checkpoint.pt" if folder != trained else checkpoint.name)
        said = run("fairseq-bbpe", "export", "fairseq", "--checkpoint", file, "--output", folder, status=2).stderr
        assert f"{file}, which is read from: give another folder" in said
    assert checkpoint.read_bytes() == before
    moved = Translator.load(tmp_path / "moved", beam=2, max_len_a=0, max_len_b=30).translate(lines)
    assert moved == Translator.load(checkpoint, beam=2, max_len_a=0, max_len_b=30).translate(lines)
