"""The programs of torch.export give every token the probability that the model gives it, and need neither package."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from conftest import run
from untrained import VOCABULARY, engine_of, log_probabilities

from fairseq_bbpe.errors import UserError
from fairseq_bbpe.export.torch_programs import export_torch, trace

DOCS = Path(__file__).parents[2] / "docs" / "deployment.md"
PRE_NORM = {"encoder_normalize_before": True, "decoder_normalize_before": True}
EXACT = {
    "none": {"embed_context": "none"},
    "conv": {"embed_context": "conv", "embed_context_layers": 2},
    "gru": {"embed_context": "gru", "embed_context_layers": 2},
    "mixture": {"embed_context": "mixture"},
    "pre-norm": {"embed_context": "conv", **PRE_NORM},
    "learned positions": {"embed_context": "none", "encoder_learned_pos": True, "decoder_learned_pos": True},
    "positions first": {"embed_context": "gru", "embed_context_order": "positions-first"},
    "normed embeddings": {"embed_context": "none", "layernorm_embedding": True},
}


@pytest.mark.parametrize("name", EXACT)
def test_every_token_has_the_probability_of_fairseq(name, tmp_path):
    engine = engine_of(tmp_path, **EXACT[name])
    dictionary = engine.task.target_dictionary
    sizes = [(1, 20), (7, 3), (20, 1), (4, 9)]
    generator = torch.Generator().manual_seed(1)
    drawn = [[torch.randint(len(VOCABULARY), (n,), generator=generator).tolist() for n in pair] for pair in sizes]
    pairs = [[[VOCABULARY.pieces[n] for n in numbers] for numbers in pair] for pair in drawn]
    expected = [log_probabilities(engine, source, target) for source, target in pairs]
    export_torch(engine, tmp_path / "out")
    reads, step = (torch.export.load(tmp_path / "out" / f"{name}.pt2").module() for name in ("source", "step"))

    def batch(sentences):
        rows = [torch.tensor([*map(dictionary.index, pieces), dictionary.eos()]) for pieces in sentences]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=dictionary.pad())

    source, mask = reads(batch([source for source, _ in pairs]))
    targets = batch([target for _, target in pairs])
    past = source.new_zeros(*source.shape[:4], 0, source.size(5))
    before, found = torch.full((len(pairs),), dictionary.eos()), []
    for tokens in targets.unbind(1):
        log_probs, past = step(before, past, source, mask)
        found.append(log_probs.gather(1, tokens[:, None]))
        before = tokens
    for row, wanted in zip(torch.cat(found, 1), expected, strict=True):
        torch.testing.assert_close(row[: len(wanted)], wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arch": "lstm", "criterion": "", "decoder_out_embed_dim": 16}, "a LSTMModel has no programs"),
        ({"arch": "transformer"}, "a TransformerModel has no programs"),
        ({"embed_context": "none", "no_token_positional_embeddings": True}, "--no-token-positional-embeddings has no"),
    ],
)
def test_what_has_no_programs_is_refused_with_the_option_to_train_with(options, message, tmp_path):
    with pytest.raises(UserError, match=f"{message}.*train with"):
        trace(engine_of(tmp_path, **options).models[0])


@pytest.mark.skipif(find_spec("tokenizers") is None, reason="the loop segments with tokenizers")
def test_the_loop_of_the_documentation_translates_as_fairseq_does_without_fairseq(trained, tmp_path):
    checkpoint = trained / "checkpoint_best.pt"
    run("fairseq-bbpe", "export", "torch", "--checkpoint", checkpoint, "--output", tmp_path / "exported")
    model, tokenizer = tmp_path / "exported" / "bbpe.model", tmp_path / "tokenizer.json"
    run("fairseq-bbpe", "export", "tokenizers", "--model", model, "--output", tokenizer)
    lines = "3 mois\n4 Tage\nil y a 6 ans\n"
    expected = run("fairseq-bbpe", "translate", "--checkpoint", checkpoint, "--beam", "1", stdin=lines).stdout
    (loop,) = re.findall(r"```python\n(import json.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    absent = "import sys\nsys.modules['fairseq'] = sys.modules['fairseq_bbpe'] = None\n"
    (tmp_path / "greedy.py").write_text(absent + loop, encoding="utf-8")
    assert run(sys.executable, "greedy.py", stdin=lines, cwd=tmp_path).stdout == expected
    assert run(sys.executable, "greedy.py", stdin="3 mois " * 2000, cwd=tmp_path).stdout.count("\n") == 1


def test_translate_says_that_the_programs_are_for_others(tmp_path):
    (tmp_path / "translator.json").write_text('{"format": "torch"}')
    said = run("fairseq-bbpe", "translate", "--checkpoint", tmp_path, stdin="a\n", status=2).stderr
    assert "programs of torch.export" in said
    assert said.count("\n") == 1
