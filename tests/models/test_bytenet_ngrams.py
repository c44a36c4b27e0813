"""Bags of n-grams reach a whole ByteNet, each side by its own table, in training and step by step (Section 3.6)."""

import pytest
import torch
from test_bytenet import PAD, build, dictionary, sentences, shifted

from fairseq_bbpe.data.ngram_counts import count_ngrams
from fairseq_bbpe.errors import UserError

SYMBOLS = len(dictionary())


@pytest.fixture
def tables(tmp_path):
    """Tables of two texts, and the texts."""
    texts = {side: sentences([20] * 6) for side in ("source", "target")}
    texts["target"] = shifted(texts["target"])
    paths = {}
    for side, text in texts.items():
        paths[f"{side}_ngrams"] = str(tmp_path / f"{side}.pt")
        count_ngrams(list(text), SYMBOLS, (1, 1, 1, 1)).save(paths[f"{side}_ngrams"])
    return paths, texts["source"], texts["target"]


def logits_of(model, source, previous):
    with torch.no_grad():
        return model(source, source.ne(PAD).sum(1), previous)[0]


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_each_side_adds_the_embeddings_of_its_own_ngrams(side, tables):
    paths, source, previous = tables
    model = build(**paths).eval()
    plain = logits_of(model, source, previous)
    embedding = getattr(model, side).embedding
    text = source if side == "encoder" else previous
    (fives,) = list(embedding.table.lookup(text))[3:]
    assert (fives[:, 4:] >= 0).all()  # counted in this text, so all are known
    other = list(embedding.table.lookup(previous if side == "encoder" else source))[3]
    assert (other < 0).float().mean() > 0.5
    torch.nn.init.normal_(embedding.ngrams, std=0.3)
    moved = (logits_of(model, source, previous) - plain).abs().sum(-1)
    # Before the target's first symbol there is none for an n-gram to begin with.
    assert (moved[:, 1:] > 0.01).all() if side == "decoder" else (moved > 0.01).float().mean() > 0.8


def test_generation_with_ngrams_equals_the_whole(tables):
    paths, source, previous = tables
    model = build(**paths).eval()
    for network in (model.encoder, model.decoder):
        torch.nn.init.normal_(network.embedding.ngrams, std=0.3)
    whole = logits_of(model, source, previous)
    with torch.no_grad():
        encoded, state = model.encoder(source, source.ne(PAD).sum(1)), {}
        for step in range(previous.size(1)):
            logits = model.decoder(previous[:, : step + 1], encoded, incremental_state=state)[0]
            torch.testing.assert_close(logits[:, 0], whole[:, step], atol=1e-5, rtol=0)


def test_without_a_table_there_are_no_ngrams():
    model = build()
    assert model.encoder.embedding.ngrams is model.decoder.embedding.ngrams is None


def test_a_checkpoint_brings_its_table(tables, tmp_path):
    paths, source, previous = tables
    first = build(**paths).eval()
    for network in (first.encoder, first.decoder):
        torch.nn.init.normal_(network.embedding.ngrams, std=0.3)
    second = build(**dict.fromkeys(paths, str(tmp_path / "gone.pt"))).eval()
    with pytest.raises(UserError, match=r"--source-ngrams .*gone\.pt: no such file; write it with fairseq-bbpe ngrams"):
        logits_of(second, source, previous)
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(logits_of(second, source, previous), logits_of(first, source, previous))


def test_a_table_of_another_dictionary_is_refused(tmp_path):
    count_ngrams([torch.tensor([4, 5])], 9, (1,)).save(tmp_path / "few.pt")
    with pytest.raises(UserError, match=f"--target-ngrams .*few.pt: counted over 9 symbols, not over {SYMBOLS}; write"):
        build(target_ngrams=str(tmp_path / "few.pt"))


def test_distributed_training_leaves_the_rows_to_their_own_exchange(tables):
    paths, _, _ = tables
    model = build(**paths)
    ignored = set(model._ddp_params_and_buffers_to_ignore)
    assert ignored == {name for name, _ in model.named_parameters() if name.endswith("ngrams")}
