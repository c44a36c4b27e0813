"""Sums of a table's rows and their gradient against plain Python, in one process and in several."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from fairseq_bbpe.modules import summed_rows
from fairseq_bbpe.modules.summed_rows import SummedRows

ROWS, WIDTH = 9, 3


class Processes:
    """Stands for `torch.distributed`, with a thread for each process: mutants of the code are seen by threads alone."""

    def __init__(self, count: int) -> None:
        self.count, self.of_thread = count, threading.local()
        self.barrier = threading.Barrier(count, timeout=60)
        self.sent = [None] * count

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def get_world_size(self) -> int:
        return self.count

    def all_gather(self, received, tensor) -> None:
        """As torch's: all tensors have one shape and type."""
        self.sent[self.of_thread.rank] = tensor
        self.barrier.wait()
        assert len(received) == self.count
        for mine, theirs in zip(received, self.sent, strict=True):
            assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
            mine.copy_(theirs)
        self.barrier.wait()

    def run(self, work) -> list:
        """`work(rank)` of every process."""

        def at(rank):
            self.of_thread.rank = rank
            return work(rank)

        with ThreadPoolExecutor(self.count) as threads:
            return list(threads.map(at, range(self.count)))


def written_out(table, rows, gradient):
    """The sums, and the table's gradient, row by row; row 0 adds nothing and has none."""
    sums, of_table = torch.zeros(*rows.shape[:2], table.size(1)), torch.zeros(table.shape)
    for b, t, n in torch.cartesian_prod(*map(torch.arange, rows.shape)).tolist():
        if row := int(rows[b, t, n]):
            sums[b, t] += table[row]
            of_table[row] += gradient[b, t]
    return sums, of_table


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_sums_and_the_mean_gradient_of_all_processes_are_those_written_out(processes, monkeypatch):
    table = torch.randn(ROWS, WIDTH)
    # Of different shapes: as many positions as the process's text has, and other numbers of different rows.
    rows = [torch.randint(0, high, (2, 4 + high, 4)) for high in (ROWS, 3, 6)][:processes]
    gradients = [torch.randn(2, each.size(1), WIDTH) for each in rows]
    group = Processes(processes)
    monkeypatch.setattr(summed_rows, "distributed", group)

    def work(rank):
        mine = table.clone().requires_grad_()
        sums = SummedRows.apply(mine, rows[rank])
        sums.backward(gradients[rank])
        return sums.detach(), mine.grad

    found = group.run(work)
    expected = [written_out(table, *each) for each in zip(rows, gradients, strict=True)]
    mean = torch.stack([gradient for _, gradient in expected]).mean(0)
    for (sums, gradient), (written, _) in zip(found, expected, strict=True):
        torch.testing.assert_close(sums, written)
        torch.testing.assert_close(gradient, mean)
        assert torch.equal(gradient, found[0][1])  # replicas never part


def test_one_process_exchanges_nothing(monkeypatch):
    group = Processes(1)
    monkeypatch.setattr(summed_rows, "distributed", group)
    monkeypatch.setattr(group, "all_gather", lambda *_: pytest.fail("nobody to ask"))
    table = torch.randn(ROWS, WIDTH, requires_grad=True)
    SummedRows.apply(table, torch.tensor([[[1, 2]]])).sum().backward()
    assert table.grad.sum() == 2 * WIDTH


def test_the_gradient_of_half_precision_is_summed_in_32_bits():
    """In bfloat16 itself a sum of ones would stay at 256."""
    table = torch.zeros(ROWS, WIDTH, dtype=torch.bfloat16, requires_grad=True)
    rows = torch.full((2, 500, 1), 4)
    SummedRows.apply(table, rows).sum().backward()
    assert table.grad.dtype == torch.bfloat16
    assert table.grad[4].tolist() == [1000] * WIDTH
