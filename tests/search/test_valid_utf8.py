"""Every search of fairseq writes valid UTF-8 alone, within every length, and what was valid before to the last bit."""

from argparse import Namespace

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY
from fairseq.token_generation_constraints import pack_constraints

import fairseq_bbpe.plugin  # noqa: F401
from fairseq_bbpe.errors import UserError
from fairseq_bbpe.search.utf8_automaton import START
from fairseq_bbpe.search.valid_utf8 import ValidUTF8Search
from fairseq_bbpe.tasks.translation_bbpe import TranslationBBPE, TranslationBBPEConfig
from fairseq_bbpe.text.alphabet import SYMBOLS
from fairseq_bbpe.vocabularies import Vocabulary

TEXT = "日本語 ελληνικά русский 😀😃 naïve ไทย".encode()
SEARCHES = {
    "greedy": {"beam": 1},
    "beam": {"beam": 5, "nbest": 5},
    "sampling": {"beam": 3, "sampling": True},
    "top-k": {"beam": 3, "sampling": True, "sampling_topk": 4},
    "top-p": {"beam": 3, "sampling": True, "sampling_topp": 0.7},
    "diverse": {"beam": 4, "diverse_beam_groups": 2},
    "siblings": {"beam": 4, "diversity_rate": 0.5},
    "source's length": {"beam": 3, "match_source_len": True},
    "n-grams": {"beam": 3, "no_repeat_ngram_size": 2},
    "alignment": {"beam": 3, "print_alignment": "hard"},
}


def task_of(pieces, **options) -> TranslationBBPE:
    dictionary = Dictionary()
    for piece in pieces:
        dictionary.add_symbol(piece)
    return TranslationBBPE(TranslationBBPEConfig(**options), dictionary, dictionary)


@pytest.fixture(scope="module")
def task():
    return task_of(Vocabulary.learn([TEXT] * 9, size=300).pieces)


def model_of(task, seed, arch="transformer_bbpe_ctx_tiny", sharpness=8.0):
    """Untrained, and so sure of nonsense that it would write little else than invalid bytes."""
    torch.manual_seed(seed)
    width = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in WIDTH.items()}
    width["decoder_out_embed_dim"] = 16
    args = Namespace(
        arch=arch, criterion="", share_all_embeddings=True, max_source_positions=99, max_target_positions=99, **width
    )
    ARCH_CONFIG_REGISTRY[arch](args)
    model = ARCH_MODEL_REGISTRY[arch].build_model(args, task).eval()
    torch.nn.init.normal_(model.decoder.embed_tokens.weight, std=sharpness * 16**-0.5)
    return model


WIDTH = {"embed_dim": 16, "ffn_embed_dim": 16, "attention_heads": 2, "layers": 1}


def sources(task, lengths=(1, 2, 5, 9), seed=1):
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(4, len(task.src_dict), (length,), generator=generator) for length in lengths]
    return [torch.cat([row, torch.tensor([task.src_dict.eos()])]) for row in rows]


def translate(task, models, rows, constraints=None, prefix=None, seed=1, **options):
    """The hypotheses for `rows`, all of the n-best: their bytes and scores."""
    lengths = torch.tensor([len(row) for row in rows])
    dataset = task.build_dataset_for_inference(rows, lengths, constraints=constraints)
    sample = dataset.collater([dataset[i] for i in range(len(rows))])
    asked = {"max_len_b": 12, "constraints": "ordered" if constraints is not None else None, **options}
    generator = task.build_generator(models, Namespace(**asked))
    torch.manual_seed(seed)
    step = {"prefix_tokens": prefix, "constraints": sample.get("constraints")}
    found = task.inference_step(generator, models, sample, **step)
    by_id = dict(zip(sample["id"].tolist(), found, strict=True))
    return [[(spell(task, h["tokens"]), h["score"].item()) for h in by_id[row]] for row in range(len(rows))]


def spell(task, tokens) -> bytes:
    return b"".join(Vocabulary.decode(task.tgt_dict[token]) for token in tokens.tolist() if token > 2)


def is_valid(text: bytes) -> bool:
    return text.decode("utf-8", "ignore").encode() == text


def invalid(found) -> list:
    return [text for hypotheses in found for text, _ in hypotheses if not is_valid(text)]


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("longest", [1, 2, 3, 4, 7, 12])
def test_no_hypothesis_is_invalid(search, longest, task):
    options = {**SEARCHES[search], "max_len_b": longest}
    without = []
    for seed in (0, 3):
        models = [model_of(task, seed)]
        found = translate(task, models, sources(task), **options)
        assert all(found)
        assert not invalid(found)
        without += translate(task, models, sources(task), **options, valid_utf8="off")
    assert invalid(without)


@pytest.mark.parametrize("longest", [1, 3, 12])
@pytest.mark.parametrize("arch", ["transformer", "lstm", "transformer_bbpe_ctx_tiny"])
def test_it_holds_for_stock_architectures_and_ensembles(arch, longest, task):
    models = [model_of(task, seed, arch if seed == 1 else "transformer") for seed in (1, 2)]
    assert not invalid(translate(task, models, sources(task), beam=5, nbest=5, max_len_b=longest))


def test_bytes_alone_need_room_for_a_whole_character():
    task = task_of(Vocabulary.learn([], size=256).pieces)
    for longest in range(1, 8):
        for search in ("greedy", "beam", "sampling"):
            assert not invalid(
                translate(task, [model_of(task, 3)], sources(task), **SEARCHES[search], max_len_b=longest)
            )


def ascii_model(task, seed, preference):
    """A model that prefers to write ASCII, by so many nats a piece."""
    model = model_of(task, seed, sharpness=1.0)
    others = torch.tensor([not (len(s) == 1 and s.isascii() and s.isprintable()) for s in task.tgt_dict.symbols])
    others[task.tgt_dict.eos()] = False
    plain = model.get_normalized_probs
    bias = torch.where(others, -preference, 0.0)
    model.get_normalized_probs = lambda *given, **named: (plain(*given, **named) + bias).log_softmax(-1)
    return model


def test_what_is_valid_without_the_rule_stays_to_the_last_bit(task):
    models = [ascii_model(task, 5, preference=50.0)]
    for name, options in SEARCHES.items():
        with_rule, without = (
            translate(task, models, sources(task), **options, valid_utf8=valid) for valid in ("on", "off")
        )
        assert not invalid(without), name
        assert with_rule == without, name


def test_whole_characters_alone_need_no_automaton(task, monkeypatch):
    steps, kinds = [], ValidUTF8Search._kinds
    monkeypatch.setattr(
        ValidUTF8Search, "_kinds", lambda self, step, *given: steps.append(step) or kinds(self, step, *given)
    )
    translate(task, [ascii_model(task, 5, preference=50.0)], sources(task), beam=5, max_len_b=12)
    assert all(step >= 12 for step in steps)  # where only the end is left, the rest of the beam is arbitrary
    translate(task, [model_of(task, 1)], sources(task), beam=5, max_len_b=12)
    assert 1 in steps


@pytest.mark.parametrize("search", ["beam", "siblings", "diverse"])
def test_one_sentence_that_goes_wrong_changes_no_other(search, task):
    models = [ascii_model(task, 6, preference=0.5)]
    rows = sources(task, lengths=range(1, 40))
    with_rule, without = (
        translate(task, models, rows, **SEARCHES[search], valid_utf8=valid) for valid in ("on", "off")
    )
    assert 0 < sum(a == b for a, b in zip(with_rule, without, strict=True)) < len(rows)
    assert not invalid(with_rule)


def test_samples_have_the_probabilities_of_a_masked_draw(task):
    # One step of one sentence, drawn very often: against the masked and renormalised probabilities themselves.
    automaton = task.automaton
    search = task.build_generator([model_of(task, 2)], Namespace(sampling=True, beam=2)).search.search
    assert isinstance(search, ValidUTF8Search)
    search.bounds.longest = torch.tensor([99])
    torch.manual_seed(3)
    draws = 40_000
    lprobs = torch.randn(len(task.tgt_dict)).mul(2).log_softmax(0)
    scores = torch.zeros(draws, 2, 1)
    end = torch.full((draws * 2, 2), task.tgt_dict.eos())
    _, pieces, _ = search.step(1, lprobs.repeat(draws, 2, 1), scores, end)
    expected = torch.where(torch.from_numpy(automaton.allowed[START]), lprobs.exp(), 0)
    expected /= expected.sum()
    seen = pieces.flatten().bincount(minlength=len(expected)) / pieces.numel()
    torch.testing.assert_close(seen, expected, atol=4 * (0.25 / pieces.numel()) ** 0.5, rtol=0)


def test_a_prefix_inside_a_character_is_kept_and_completed(task):
    lead = task.tgt_dict.index(SYMBOLS[0xE6])
    prefix = torch.full((4, 1), lead)
    for search in ("greedy", "beam", "sampling"):
        found = translate(task, [model_of(task, 2)], sources(task), prefix=prefix, **SEARCHES[search])
        assert not invalid(found)
        assert all(text.startswith(b"\xe6") for hypotheses in found for text, _ in hypotheses)


def test_a_forced_prefix_of_invalid_bytes_is_the_users(task):
    stray = task.tgt_dict.index(SYMBOLS[0x80])
    for search in ("greedy", "beam", "sampling"):
        found = translate(
            task, [model_of(task, 2)], sources(task), prefix=torch.full((4, 1), stray), **SEARCHES[search]
        )
        texts = [text for hypotheses in found for text, _ in hypotheses]
        assert all(text[:1] == b"\x80" and is_valid(text[1:]) for text in texts)


def test_allowed_tokens_and_lexical_constraints(task):
    models = [model_of(task, seed=2)]
    bytes_alone = [task.tgt_dict.eos(), *range(len(task.tgt_dict) - 256, len(task.tgt_dict))]
    options = {"beam": 4, "prefix_allowed_tokens_fn": lambda row, tokens: bytes_alone}
    assert not invalid(translate(task, models, sources(task), **options))
    packed = pack_constraints([[task.tgt_dict.encode_line("a b", append_eos=False).long()] for _ in range(4)])
    found = translate(task, models, sources(task), constraints=packed, beam=6, max_len_b=20)
    assert not invalid(found)
    assert all(b"ab" in hypotheses[0][0] for hypotheses in found)


def rules(task, models, **options) -> list:
    generator = task.build_generator(models, Namespace(**options))
    searches = generator.search.modules() if hasattr(generator, "search") else []
    return [search for search in searches if isinstance(search, ValidUTF8Search)]


def test_vocabularies_of_characters_are_left_alone():
    task = task_of("abcdé日▁")
    assert not rules(task, [model_of(task, 1)], beam=2)


def test_one_flag_switches_it_off(task):
    models = [model_of(task, 1)]
    off = task_of(task.tgt_dict.symbols[4:], valid_utf8="off")
    assert not rules(off, models)
    assert rules(off, models, valid_utf8="on")
    assert not rules(task, models, score_reference=True)
    with pytest.raises(UserError, match="--valid-utf8 no: give one of on, off"):
        task.build_generator(models, Namespace(valid_utf8="no"))


def test_a_generator_that_no_task_tells_of_lengths_searches_as_well(task):
    """From Python, `generator.generate` alone."""
    model = model_of(task, 1)
    rows = sources(task)
    dataset = task.build_dataset_for_inference(rows, torch.tensor([len(row) for row in rows]))
    sample = dataset.collater([dataset[i] for i in range(len(rows))])
    generator = task.build_generator([model], Namespace(beam=3, match_source_len=True))
    found = generator.generate([model], sample)
    assert all(len(hypotheses) == 3 for hypotheses in found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "--beam 0: give 1"),
        ({"print_step": True}, "--print-step: of models that edit"),
        ({"retain_iter_history": True}, "--retain-iter-history: of models that edit"),
    ],
)
def test_what_no_search_has_is_told_before_it(options, message, task):
    with pytest.raises(UserError, match=f"^{message}"):
        task.build_generator([model_of(task, 1)], Namespace(**options))


def test_what_has_no_attention_prints_no_alignment(task):
    with pytest.raises(UserError, match=r"^--print-alignment: a Namespace has no attention"):
        task.build_generator([Namespace(has_attention=False)], Namespace(print_alignment="hard"))
