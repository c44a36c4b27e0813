"""How long to train, and how fast to learn, by the size of a corpus: settings that have given usable translations."""

import math
from typing import NamedTuple


class Recipe(NamedTuple):
    """Options of `fairseq-train` for a small Transformer on a corpus of fewer than so many sentence pairs."""

    pairs: float
    dropout: float
    lr: float
    warmup_updates: int
    max_tokens: int
    updates: int

    def flags(self, max_tokens: int) -> list[str]:
        """One list of flags a line, with batches of at least so many tokens."""
        decay = "inverse_sqrt"
        if math.isfinite(self.pairs):  # so short a training should end at a learning rate of 0
            decay = f"polynomial_decay --total-num-update {self.updates}"
        return [
            f"--lr {self.lr} --lr-scheduler {decay} --warmup-updates {self.warmup_updates} --clip-norm 1",
            f"--dropout {self.dropout} --max-tokens {max(self.max_tokens, max_tokens)} --max-update {self.updates}",
        ]


# The first three as in examples/bbpe/results: He-En, Ja-En (En-De too, at a higher rate), X-En. The last is for GPUs.
RECIPES = (
    Recipe(10_000, dropout=0.3, lr=0.001, warmup_updates=100, max_tokens=1250, updates=3200),
    Recipe(60_000, dropout=0.2, lr=0.0015, warmup_updates=300, max_tokens=2500, updates=2000),
    Recipe(500_000, dropout=0.1, lr=0.001, warmup_updates=600, max_tokens=1250, updates=8000),
    Recipe(math.inf, dropout=0.1, lr=0.0007, warmup_updates=4000, max_tokens=4096, updates=100_000),
)


def recipe_for(pairs: int) -> Recipe:
    """The recipe for so many training pairs.

    >>> recipe_for(29_000).updates, recipe_for(2_000_000).updates
    (2000, 100000)
    """
    return next(recipe for recipe in RECIPES if pairs < recipe.pairs)
