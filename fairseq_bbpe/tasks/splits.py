"""What a task can say of its splits before it trains; fairseq would say it after an epoch, or not at all."""

from typing import Any

from omegaconf.errors import InterpolationKeyError

from fairseq_bbpe.errors import UserError


def _validates_on(cfg: Any, split: str) -> bool:
    try:
        return not cfg.disable_validation and split in cfg.valid_subset.split(",")
    except InterpolationKeyError:  # of a checkpoint that was saved before the tasks read these
        return False


def refuse_validation_on_training(cfg: Any, flag: str, change: str) -> None:
    """Raise UserError if the training split, which a task changes, is validated on too.

    fairseq has one data set of each split: validation would see the changed one, and its `set_epoch(1)` would send
    training back to what it was given in its first epoch.

    Args:
        cfg: of a task, with `train_subset`, `valid_subset` and `disable_validation` of fairseq's `dataset`.
        flag: what the user gave.
        change: what it does to a split, such as "segments it anew".
    """
    if _validates_on(cfg, cfg.train_subset):
        raise UserError(
            f"--valid-subset {cfg.valid_subset}: {flag} {change}, so validation would not see the text of "
            f"{cfg.train_subset!r} as it is: leave it out, or prepare some of that text as a split of its own"
        )


def require_room(cfg: Any, split: str, longest: int, remedy: str = "") -> None:
    """Raise UserError if a split is validated on whose longest sentence or window, in tokens, no batch can hold.

    Args:
        cfg: of a task, with `valid_subset`, `disable_validation` and `max_tokens_valid` of fairseq's `dataset`.
        remedy: what else to do than to give a larger `--max-tokens-valid`.
    """
    if _validates_on(cfg, split) and (most := cfg.max_tokens_valid) and longest > most:
        raise UserError(
            f"--max-tokens-valid {most} (that of --max-tokens, unless given): the longest of {split!r} has {longest} "
            f"tokens: give --max-tokens-valid {longest}{remedy}"
        )
