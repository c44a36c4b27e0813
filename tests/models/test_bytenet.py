"""ByteNet as a fairseq model: gradients through both networks, unfolding, step by step under a beam, padding."""

import itertools
from types import SimpleNamespace

import pytest
import torch

fairseq = pytest.importorskip("fairseq")
from fairseq.criterions.cross_entropy import CrossEntropyCriterion  # noqa: E402
from fairseq.data import Dictionary  # noqa: E402
from fairseq.dataclass.utils import merge_with_parent  # noqa: E402
from fairseq.models import MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY  # noqa: E402
from omegaconf import OmegaConf  # noqa: E402
from test_sub_batches import corpus  # noqa: E402

import fairseq_bbpe.plugin  # noqa: E402, F401
from fairseq_bbpe.modules.sub_batch_norm import SubBatchNorm, estimate_statistics  # noqa: E402

PAD, END = 1, 2
ARCHITECTURES = {
    "relu, layer": {"norm": "layer"},
    "relu, sub_batch": {"norm": "sub_batch", "unfold": "zero"},
    "multiplicative, layer": {"block": "multiplicative", "unfold": "zero"},
    "multiplicative, sub_batch": {"block": "multiplicative", "norm": "sub_batch"},
    "concatenated": {"join": "concatenate"},
    "conv, rnn": {"target_network": "rnn"},
    "birnn, rnn": {"target_network": "rnn", "source_network": "birnn", "unfold": "zero"},
    "birnn, conv, sub_batch": {"source_network": "birnn", "norm": "sub_batch"},
}


def dictionary():
    symbols = Dictionary()
    for letter in "abcdefghijklmnopqrst":
        symbols.add_symbol(letter)
    return symbols


def build(arch="bytenet_tiny", **options):
    """An untrained model of 8 channels, without a task on disk."""
    options = {"channels": 8, "dilations": "1,2,4", "bucket_width": 10, "bucket_longest": 40} | options
    config = merge_with_parent(MODEL_DATACLASS_REGISTRY[arch](), OmegaConf.create({"_name": arch, **options}))
    symbols = dictionary()
    task = SimpleNamespace(cfg=SimpleNamespace(), source_dictionary=symbols, target_dictionary=symbols)
    return MODEL_REGISTRY[arch].build_model(config, task)


def sentences(lengths, left=False):
    """Random sentences that end, padded on one side: (B, longest)."""
    rows = [torch.cat([torch.randint(4, 24, (length - 1,)), torch.tensor([END])]) for length in lengths]
    longest = max(lengths)
    pad = [torch.full((longest - len(row),), PAD) for row in rows]
    return torch.stack([torch.cat((p, row) if left else (row, p)) for row, p in zip(rows, pad, strict=True)])


def shifted(target):
    """What fairseq feeds the target network: the end of the sentence before, first."""
    return torch.cat([torch.full_like(target[:, :1], END), target[:, :-1]], dim=1)


def trained(model, rounds=3):
    """In evaluation, with statistics of two target intervals, each common with three source intervals."""
    if model.buckets:
        pairs = torch.tensor(list(itertools.product((9, 18, 30), (8, 25))))
        model.buckets.count(*pairs.T)
        estimate_statistics(
            model,
            [
                {
                    "src_tokens": sentences([source] * 4),
                    "src_lengths": torch.full((4,), source),
                    "prev_output_tokens": shifted(sentences([target] * 4)),
                    "statistics": (target - 1) // model.buckets.width,
                }
                for source, target in pairs.tolist() * rounds
            ],
        )
    return model.eval()


def translate(model, source, previous):
    lengths = source.ne(PAD).sum(dim=1)
    return model(source, lengths, previous)[0]


@pytest.mark.parametrize("options", ARCHITECTURES.values(), ids=ARCHITECTURES)
@torch.no_grad()
def test_step_by_step_under_a_beam_equals_the_whole(options):
    """Sentences of different lengths, every beam reordered at random, far past the end of every source."""
    model = trained(build(**options))
    source = sentences([5, 9, 7])
    statistics = torch.tensor([0, 2, 2]) if model.buckets else None
    beam, steps = 4, 30
    encoded = model.encoder(source, source.ne(PAD).sum(1), statistics=statistics)
    rows = torch.arange(3).repeat_interleave(beam)
    step_encoded = model.encoder.reorder_encoder_out(encoded, rows)
    whole_encoded = model.encoder.reorder_encoder_out(encoded, rows)
    tokens, state = torch.full((3 * beam, 1), END), {}
    for step in range(steps):
        logits, _ = model.decoder(tokens, step_encoded, incremental_state=state)
        expected, _ = model.decoder(tokens, whole_encoded)
        assert logits.shape[1] == 1
        torch.testing.assert_close(logits[:, 0], expected[:, -1], atol=1e-5, rtol=0, msg=f"step {step}")
        order = torch.cat(
            [sentence * beam + torch.randint(0, beam, (beam,)) for sentence in range(len(tokens) // beam)]
        )
        if step == 11:  # a sentence is finished and leaves the batch
            order = torch.cat([order[:beam], order[2 * beam :]])
        step_encoded = model.encoder.reorder_encoder_out(step_encoded, order)
        whole_encoded = model.encoder.reorder_encoder_out(whole_encoded, order)
        model.decoder.reorder_incremental_state_scripting(state, order)
        tokens = torch.cat([tokens[order], torch.randint(4, 24, (len(order), 1))], dim=1)


@torch.no_grad()
def test_source_columns_are_as_the_network_leaves_them_unless_normalised():
    source = sentences([9, 6])
    assert build().encoder.norm is None
    model = build(normalise_source=True).eval()
    model.encoder.network.register_forward_hook(lambda _, __, columns: 5 * columns + 3)
    columns = model.encoder(source)["columns"][0, :9]
    torch.testing.assert_close(columns.mean(-1), torch.zeros(9), atol=1e-5, rtol=0)
    torch.testing.assert_close(columns.std(-1, correction=0), torch.ones(9), atol=1e-3, rtol=0)


@torch.no_grad()
def test_sub_batch_norm_is_folded_once_a_sentence(monkeypatch):
    model = trained(build(norm="sub_batch", unfold="zero"))
    encoded = model.encoder(sentences([5, 9]), statistics=torch.tensor([0, 2]))
    folded, fold = [], SubBatchNorm.fold
    monkeypatch.setattr(SubBatchNorm, "fold", lambda norm, sets: folded.append(norm) or fold(norm, sets))
    tokens, state = torch.full((2, 1), END), {}
    for _ in range(4):
        model.decoder(tokens, encoded, incremental_state=state)
        tokens = torch.cat([tokens, torch.randint(4, 24, (2, 1))], dim=1)
    norms = [module for module in model.decoder.modules() if isinstance(module, SubBatchNorm)]
    assert len(folded) == len(norms) == 3 * 3 + 1
    assert set(folded) == set(norms)


@torch.no_grad()
def test_the_encoder_output_is_not_copied_for_each_hypothesis():
    model = build().eval()
    encoded = model.encoder(sentences([6, 6]))
    reordered = model.encoder.reorder_encoder_out(encoded, torch.arange(2).repeat_interleave(12))
    assert reordered["columns"].data_ptr() == encoded["columns"].data_ptr()
    assert reordered["rows"].tolist() == [0] * 12 + [1] * 12


@pytest.mark.parametrize("options", ARCHITECTURES.values(), ids=ARCHITECTURES)
@torch.no_grad()
def test_a_sentence_never_depends_on_those_it_is_batched_with(options):
    model = trained(build(**options))
    source, target = sentences([4, 12, 7]), sentences([15, 6, 9])
    together = translate(model, source, shifted(target))
    left_padded = torch.stack([row.roll(int(row.eq(PAD).sum())) for row in source])
    torch.testing.assert_close(translate(model, left_padded, shifted(target)), together, atol=1e-5, rtol=0)
    for row, (s, t) in enumerate(zip(source, target, strict=True)):
        alone = translate(model, s[s != PAD][None], shifted(t[t != PAD][None]))
        torch.testing.assert_close(together[row, : alone.size(1)], alone[0], atol=1e-5, rtol=0)


def embedded_gradients(model, source, previous, step, row=0, num_auxiliary=0):
    """Which source and which previous target positions (row, position) the prediction at `step` depends on."""
    seen = {}

    def keep(name):
        def hook(module, inputs, output):
            output.retain_grad()
            seen[name] = output

        return hook

    hooks = [
        model.encoder.embedding.register_forward_hook(keep("source")),
        model.decoder.embedding.register_forward_hook(keep("target")),
    ]
    logits, _ = model(source, source.ne(PAD).sum(1), previous, num_auxiliary=num_auxiliary)
    (logits[row, step] * torch.randn(logits.size(-1))).sum().backward()
    for hook in hooks:
        hook.remove()
    return [set(map(tuple, (seen[name].grad.abs().sum(-1) > 0).nonzero().tolist())) for name in ("source", "target")]


@pytest.mark.parametrize("block", ["relu", "multiplicative"])
@pytest.mark.parametrize("norm", ["layer", "sub_batch"])
def test_a_prediction_depends_on_exactly_its_receptive_fields(block, norm):
    """Targets: 1 + sum (k - 1) r symbols, none ahead. Source: the columns joined to those, and the kernels' sides."""
    model = trained(
        build(block=block, norm=norm, unfold="zero", source_kernel=5, channels=24, bucket_longest=80)
    ).double()
    before, side, step = 2 * 7, 2 * 7, 30
    source, previous = sentences([60]), shifted(sentences([50]))
    found = [embedded_gradients(model, source, previous, step) for _ in range(6)]
    sources, targets = (set().union(*parts) for parts in zip(*found, strict=True))
    assert model.decoder.network.receptive_field == before + 1
    assert targets == {(0, t) for t in range(step - before, step + 1)}
    assert sources == {(0, s) for s in range(step - before - side, step + side + 1)}


def test_with_sub_batch_norm_a_main_row_depends_on_no_other_main_row():
    model = build(norm="sub_batch", unfold="zero", channels=16)
    source, previous = sentences([9] * 4), shifted(sentences([9] * 4))
    sources, targets = embedded_gradients(model, source, previous, step=8, num_auxiliary=2)
    for touched in (sources, targets):
        rows = {row for row, _ in touched}
        assert 1 not in rows
        assert rows == {0, 2, 3}


def test_the_criterion_counts_the_main_part_alone():
    pairs = [(9, 7), (8, 9), (5, 4), (9, 9), (6, 8)]
    dataset = corpus(pairs)
    batch = dataset.collater([dataset[index] for index in range(5)])
    model = build(norm="sub_batch")
    model.train()
    loss, sample_size, logged = CrossEntropyCriterion(SimpleNamespace(target_dictionary=dictionary()), False)(
        model, batch
    )
    counted = sum(pairs[index][1] for index in batch["id"].tolist())
    assert sample_size == logged["ntokens"] == counted
    assert logged["nsentences"] == 3
    logits, _ = model(**batch["net_input"])
    kept = batch["target"] != PAD
    expected = torch.nn.functional.cross_entropy(logits[kept], batch["target"][kept], reduction="sum")
    torch.testing.assert_close(loss, expected)


def test_only_the_main_part_is_predicted():
    model = build(norm="sub_batch")
    logits, _ = model(sentences([9] * 5), torch.full((5,), 9), shifted(sentences([9] * 5)), num_auxiliary=2)
    assert logits.shape[:2] == (3, 9)


@torch.no_grad()
def test_past_the_source_the_columns_are_zero_or_encoded_padding():
    source = sentences([10, 4])
    zero = build(unfold="zero").eval().encoder(source)["columns"]
    assert zero.shape[1] == 10
    assert not zero[1, 4:].any()
    assert zero[1, 3].any()
    padded = build(unfold="pad", unfold_a=1.5, unfold_b=2).eval().encoder(source)["columns"]
    assert padded.shape[1] == 17
    assert padded[1, 7].any()
    assert not padded[1, 8:].any()  # 1.5 * 4 + 2, by its own length and not the batch's
