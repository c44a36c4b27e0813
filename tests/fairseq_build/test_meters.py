"""The meters that a checkpoint brings back are those that go on counting."""

from fairseq.logging import metrics


def test_a_resumed_training_adds_to_the_sums_of_its_checkpoint():
    metrics.reset()
    metrics.log_scalar("bsz", 10)
    saved = metrics.state_dict()
    metrics.reset()  # another process
    metrics.load_state_dict(saved)
    metrics.log_scalar("bsz", 7)
    meters = {name: meter for _, name, _, meter in metrics.state_dict()["default"]}
    metrics.reset()
    assert meters["bsz"]["sum"] == 17
