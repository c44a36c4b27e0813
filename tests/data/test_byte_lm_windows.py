"""Files of bytes and windows over them: what is read, what counts, and how often."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairseq_bbpe.data.byte_file import SPECIALS, ByteFile, byte_dictionary
from fairseq_bbpe.data.byte_windows import EvaluationWindows, TrainingWindows, check_windows
from fairseq_bbpe.errors import UserError

PAD = byte_dictionary().pad()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bytes")


def file_of(folder, data: bytes) -> ByteFile:
    path = folder / "data"
    path.write_bytes(data)
    return ByteFile(path)


def test_ids_are_bytes_after_the_specials(folder):
    data = bytes(range(256))
    dictionary = byte_dictionary()
    ids = file_of(folder, data).ids(0, 256)
    assert bytes.fromhex("".join(dictionary[i] for i in ids)) == data
    assert dictionary.nspecial == SPECIALS


@given(data=st.binary(min_size=2, max_size=80), context=st.integers(1, 30), scored=st.integers(1, 30))
def test_evaluation_scores_every_byte_after_the_first_once_with_its_context(folder, data, context, scored):
    windows = EvaluationWindows(file_of(folder, data), context, scored, PAD)
    batch = windows.collater([windows[i] for i in windows.ordered_indices()])
    source, target = batch["net_input"]["src_tokens"].numpy(), batch["target"].numpy()
    offset = 1
    for row, start in enumerate(batch["start_indices"]):
        counted = np.flatnonzero(target[row] != PAD)
        assert counted[0] == start
        for column in counted:
            assert target[row, column] == data[offset] + SPECIALS
            before = source[row, : column + 1] - SPECIALS  # what a causal model may look at
            assert len(before) >= min(context, offset)
            assert bytes(before.tolist()) == data[offset - len(before) : offset]
            offset += 1
    assert offset == len(data)
    assert batch["ntokens"] == len(data) - 1
    assert windows.sizes.tolist() == (source != PAD).sum(axis=1).tolist()


@given(size=st.integers(9, 60), seed=st.integers(0, 2**31), epoch=st.integers(1, 99), index=st.integers(0, 1000))
def test_a_training_window_depends_on_seed_epoch_and_index_alone(folder, size, seed, epoch, index):
    data = bytes(range(size))

    def window(**change):
        options = {"seed": seed, "epoch": epoch} | change
        windows = TrainingWindows(file_of(folder, data), 5, 4, PAD, seed=options["seed"])
        windows.set_epoch(options["epoch"])
        # Worker processes get a pickled copy, which maps the file anew.
        return pickle.loads(pickle.dumps(windows))[index]["ids"].tolist()

    drawn = window()
    assert drawn == window()
    assert bytes(b - SPECIALS for b in drawn) in data
    assert len(drawn) == 9


def test_training_windows_lie_anywhere_in_the_file(folder):
    windows = TrainingWindows(file_of(folder, bytes(40)), 5, 4, PAD)
    starts = {windows.start(i) for i in range(2000)}
    assert starts == set(range(40 - 9 + 1))
    first = [windows.start(i) for i in range(50)]
    windows.set_epoch(2)
    assert first != [windows.start(i) for i in range(50)]


@given(
    context=st.integers(1, 9), scored=st.integers(1, 9), rows=st.integers(1, 5), share=st.sampled_from([0, 0.3, 0.8])
)
def test_only_scored_bytes_of_main_windows_count(folder, context, scored, rows, share):
    file = file_of(folder, bytes(range(100)))
    options = {"auxiliary_share": share, "seed": 3}
    whole, cropped = (TrainingWindows(file, context, scored, PAD, crop=crop, **options) for crop in (False, True))
    batch = whole.collater([whole[i] for i in range(rows)])
    auxiliary = len(batch["net_input"]["src_tokens"]) - len(batch["target"])
    assert (auxiliary > 0) == (share > 0)
    assert (
        batch["ntokens"] == int(batch["target"].ne(PAD).sum()) == (max(rows, 2) - auxiliary if share else rows) * scored
    )
    assert batch["target"][:, : context - 1].eq(PAD).all()

    crop = cropped.collater([cropped[i] for i in range(rows)])
    assert crop["net_input"]["skip"] == context - 1
    assert crop["net_input"]["num_auxiliary"] == auxiliary
    assert crop["target"].equal(batch["target"][:, context - 1 :])
    assert crop["net_input"]["src_tokens"].equal(batch["net_input"]["src_tokens"])


def test_windows_for_statistics_are_always_the_same_and_none_of_an_epochs(folder):
    windows = TrainingWindows(file_of(folder, bytes(range(250))), 5, 4, PAD, auxiliary_share=0.5, crop=True)
    windows.batch_by_size(windows.ordered_indices(), max_sentences=3, required_batch_size_multiple=1)
    first = list(windows.batches_for_statistics(4))
    windows.set_epoch(7)
    windows.batch_by_size(windows.ordered_indices(), max_sentences=3, required_batch_size_multiple=1)
    again = list(windows.batches_for_statistics(4))
    assert windows.epoch == 7
    assert len(first) == 4
    for one, two in zip(first, again, strict=True):
        assert one["src_tokens"].equal(two["src_tokens"])
        assert one["src_tokens"].shape == (3, 8)
        assert (one["num_auxiliary"], one["skip"]) == (0, 4)  # all rows give statistics, of the columns of training
    assert len({tuple(row.tolist()) for batch in first for row in batch["src_tokens"]}) > 9
    of_epoch_1 = TrainingWindows(windows.file, 5, 4, PAD)
    starts = [of_epoch_1.start(index) for index in range(12)]
    assert starts != [int(row[0]) - SPECIALS for batch in first for row in batch["src_tokens"]]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda path: ByteFile(path / "absent"), "absent: no such file; 'fairseq-bbpe lm split'"),
        (lambda path: file_of(path, b""), "data: the file is empty"),
        (
            lambda path: file_of(path, b"1") and ByteFile(path / "data", 2, "scoring"),
            "1 bytes are too short for scoring",
        ),
        (lambda path: check_windows(0, 5), "--context-bytes 0: the first scored byte"),
        (lambda path: check_windows(5, 0, "eval-"), "--eval-scored-bytes 0: score at least one byte"),
    ],
)
def test_what_cannot_be_read_is_refused(folder, build, words):
    with pytest.raises(UserError, match=words):
        build(folder)
