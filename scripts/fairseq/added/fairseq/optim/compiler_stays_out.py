"""Keep torch's compiler out of the start of a training.

When the first optimizer is made, torch imports its compiler, which takes about two seconds, only to tell it that some
methods of optimizers must not be compiled. Nothing here compiles them: marked as what they are without a compiler, they
are called as they stand. A torch that keeps no such mark is left as it is.
"""

import torch
import torch._compile


def keep_out() -> None:
    """Mark the methods of `torch.optim.Optimizer` that torch itself keeps from being compiled."""
    for method in vars(torch.optim.Optimizer).values():
        if getattr(method, "__globals__", None) is vars(torch._compile):
            plain = method.__wrapped__
            if not hasattr(plain, "__dynamo_disable"):
                plain.__dynamo_disable = plain
