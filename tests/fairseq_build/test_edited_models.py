"""fairseq's own models and modules after the edits, each as it failed before."""

import subprocess
import sys
import warnings
from itertools import combinations

import pytest
import torch
from conftest import QUICK, environment, run
from fairseq import libnat
from fairseq.data import Dictionary
from fairseq.data.huffman import HuffmanCodeBuilder
from fairseq.dataclass.configs import EMAConfig
from fairseq.models.ema.ema import EMA
from fairseq.models.transformer import TransformerConfig, TransformerModel
from fairseq.modules import MultiheadAttention
from fairseq.modules.multihead_attention import _mask_for_xformers
from fairseq.ngram_repeat_block import NGramRepeatBlock
from hypothesis import given
from hypothesis import strategies as st

TINY = [
    *("--encoder-layers", "1", "--decoder-layers", "1", "--encoder-embed-dim", "32", "--decoder-embed-dim", "32"),
    *("--encoder-ffn-embed-dim", "32", "--decoder-ffn-embed-dim", "32"),
]
ADAM = ["--optimizer", "adam", "--max-tokens", "400", "--disable-validation"]


def test_fairseq_is_imported_without_a_warning(tmp_path):
    # An empty cache: what was compiled before would not warn again.
    command = [sys.executable, "-W", "error", "-X", f"pycache_prefix={tmp_path}", "-c", "import fairseq"]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert finished.returncode == 0, finished.stderr


def test_a_training_does_not_wait_for_torchs_compiler(data_bin, tmp_path):
    program = "import sys; from fairseq_cli.train import cli_main; cli_main(); print('torch._dynamo' in sys.modules)"
    options = ["--arch", "transformer", *TINY, *ADAM, "--max-update", "2", "--save-dir", tmp_path]
    command = [sys.executable, "-c", program, data_bin, *QUICK, *options]
    finished = subprocess.run([*map(str, command)], capture_output=True, text=True, env=environment())
    assert finished.stdout.splitlines()[-1:] == ["False"], finished.stderr
    assert (tmp_path / "checkpoint_last.pt").exists()


@pytest.mark.parametrize("version", ["2.13.0a0+git1234", "2.6.0a0+ecf3bae40a.nv25.01", "2.13.0.dev20260601+cpu"])
def test_a_torch_that_is_no_release_runs_a_transformer(version, monkeypatch):
    monkeypatch.setattr(torch, "__version__", version)
    cfg = TransformerConfig(max_source_positions=16, max_target_positions=16)
    for side in (cfg.encoder, cfg.decoder):
        side.embed_dim = side.ffn_embed_dim = 8
        side.layers, side.attention_heads = 1, 2
    dictionary = Dictionary()
    dictionary.add_symbol("a")
    embed = TransformerModel.build_embedding(cfg, dictionary, 8)
    encoder = TransformerModel.build_encoder(cfg, dictionary, embed).eval()
    with torch.no_grad():
        out = encoder(torch.tensor([[4, 4, 2], [4, 2, 1]]), torch.tensor([3, 2]))
    assert out["encoder_out"][0].shape == (3, 2, 8)


# --- gradients that are not finite -----------------------------------------------------------------------------------


def test_a_gradient_that_is_no_number_is_named(data_bin, tmp_path):
    explode = [*ADAM[:2], "--max-tokens", "400", "--lr", "1e38", "--max-update", "3", "--save-dir", tmp_path]
    failed = run("fairseq-train", data_bin, *QUICK, "--arch", "transformer", *TINY, *explode, status=1)
    assert "StopIteration" not in failed.stderr
    assert "FloatingPointError" in failed.stderr.strip().splitlines()[-1]
    assert "Detected nan/inf grad norm" in failed.stdout + failed.stderr


# --- n-grams that must not repeat ------------------------------------------------------------------------------------


def forbidden_after(tokens: list[int], size: int, room: int = 4) -> list[int]:
    buffer = torch.tensor([[2, *tokens, *[1] * room]])  # as the generator's: the steps to come are padding
    scores = NGramRepeatBlock(size)(buffer, torch.zeros(1, 10), 1, 1, len(tokens))
    return scores[0].isinf().nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("tokens", "size", "forbidden"),
    [
        ([], 1, []),
        ([5, 6, 5], 1, [5, 6]),
        ([5, 6, 5], 2, [6]),
        ([5, 6, 7, 5, 8, 5], 2, [6, 8]),
        ([5, 6, 7], 2, []),
        ([5, 6, 7, 9, 5, 6], 3, [7]),
        ([5], 3, []),
    ],
)
def test_what_would_repeat_an_ngram_is_forbidden(tokens, size, forbidden):
    assert forbidden_after(tokens, size) == forbidden


# --- attention masks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
@pytest.mark.parametrize("causal", [True, False])
def test_attention_takes_a_padding_mask_of_any_type_without_a_warning(causal, dtype):
    torch.manual_seed(0)
    attention = MultiheadAttention(8, 2, self_attention=True)
    x = torch.randn(4, 3, 8)
    padding = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 1]])
    future = torch.full((4, 4), float("-inf")).triu(1) if causal else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out, _ = attention(x, x, x, key_padding_mask=padding.to(dtype), attn_mask=future)
    # A sentence's columns must be those of the sentence alone.
    for sentence, length in enumerate((4, 3, 1)):
        alone = x[:length, sentence : sentence + 1]
        mask = future[:length, :length] if causal else None
        expected, _ = attention(alone, alone, alone, attn_mask=mask)
        torch.testing.assert_close(out[:length, sentence], expected[:, 0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8])
def test_a_mask_of_bytes_becomes_an_additive_one(dtype):
    additive = _mask_for_xformers(torch.tensor([0, 1]).to(dtype), to_dtype=torch.float32)
    assert additive.tolist() == [0.0, float("-inf")]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_additive_mask_stays_one(dtype):
    mask = torch.tensor([0.0, float("-inf")], dtype=dtype)
    assert torch.equal(_mask_for_xformers(mask), mask)


# --- models that edit their output -----------------------------------------------------------------------------------

SYMBOLS = st.lists(st.integers(4, 7), max_size=7)


def longest_common_subsequence(a, b) -> int:
    """By trying all subsequences of the shorter one, longest first."""
    short, long = sorted((a, b), key=len)
    for size in range(len(short), 0, -1):
        for chosen in combinations(short, size):
            rest = iter(long)
            if all(symbol in rest for symbol in chosen):
                return size
    return 0


@given(SYMBOLS.filter(bool), SYMBOLS)
def test_an_edit_path_leads_from_source_to_target_and_none_is_shorter(source, target):
    ((*inserted, deleted),) = libnat.suggested_ed2_path([source], [target], 1)
    assert len(inserted) == len(source) + 1
    assert len(deleted) == len(source)
    inserted = [[] if symbols == [1] else symbols for symbols in inserted]
    result = list(inserted[0])
    for symbol, gone, after in zip(source, deleted, inserted[1:], strict=True):
        result += ([] if gone else [symbol]) + after
    assert result == target
    edits = sum(deleted) + sum(map(len, inserted))
    assert edits == len(source) + len(target) - 2 * longest_common_subsequence(source, target)


def test_an_edit_path_is_the_one_of_the_extension_where_several_are_shortest():
    # Computed by the C++ of fairseq's repository, clib/libnat/edit_dist.cpp.
    pairs = [([5, 6], [6, 5]), ([4, 5, 4], [4, 4]), ([4], [5, 6]), ([], [4, 5]), ([4, 4, 5], [4, 5, 5, 4])]
    assert libnat.suggested_ed2_path(*zip(*pairs, strict=True), 1) == [
        [[1], [1], [5], [1, 0]],
        [[1], [1], [1], [1], [0, 1, 0]],
        [[1], [5, 6], [1]],
        [[4, 5], []],
        [[1], [1], [1], [5, 4], [0, 1, 0]],
    ]


@pytest.mark.parametrize("arch", ["levenshtein_transformer", "insertion_transformer"])
def test_models_that_edit_their_output_train(arch, data_bin, tmp_path):
    task = ["--task", "translation_lev", "--criterion", "nat_loss", "--noise", "random_delete"]
    options = ["--share-all-embeddings", "--apply-bert-init", *ADAM, "--max-update", "3", "--save-dir", tmp_path]
    done = run("fairseq-train", data_bin, *QUICK, *task, "--arch", arch, *TINY, *options)
    assert "libnat" not in done.stdout
    assert "done training" in done.stdout + done.stderr


def test_the_layer_logits_of_the_latent_depth_example_start_at_even_odds():
    script = (
        "import sys, torch, fairseq; from pathlib import Path\n"
        "sys.path.insert(0, str(Path(fairseq.__file__).parent / 'examples/latent_depth'))\n"
        "torch.utils.deterministic.fill_uninitialized_memory = True\n"
        "torch.use_deterministic_algorithms(True)\n"  # fills memory that nothing initialises with NaN
        "from latent_depth_src.modules.latent_layers import LayerSelect\n"
        "print(LayerSelect(3, 2).layer_logits.tolist())\n"
    )
    command = [sys.executable, "-c", script]
    finished = subprocess.run(command, capture_output=True, text=True, env=environment(), check=True)
    assert finished.stdout.splitlines()[-1] == "[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]"


def test_huffman_codes_come_back():
    builder = HuffmanCodeBuilder()
    builder.add_symbols("a", "a", "a", "b", "b", "c")
    coder = builder.build_code()
    for line in (["a"], ["c", "b", "a", "a"], ["b"] * 9):
        assert [node.symbol for node in coder.decode(coder.encode(line))] == line


@pytest.mark.parametrize("fp32", [False, True])
def test_an_average_of_weights_takes_counts_as_they_are(fp32):
    model = torch.nn.BatchNorm1d(2)
    average = EMA(model, EMAConfig(store_ema=True, ema_decay=0.75, ema_fp32=fp32))
    model.weight.data.fill_(5.0)
    model.num_batches_tracked.fill_(7)
    average.step(model)
    assert average.get_model().num_batches_tracked == 7
    assert average.get_model().weight.tolist() == [2.0, 2.0]  # 0.75 * 1 + 0.25 * 5
