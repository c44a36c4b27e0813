"""How long a system trains: updates, minutes or epochs, and which of them all systems of a table have in common."""

from __future__ import annotations

from dataclasses import dataclass

from fairseq_bbpe.errors import UserError

UNITS = ("updates", "minutes", "epochs")
EQUAL = {
    "updates": "updates; tokens and sentences differ, as above",
    "minutes": "training time; tokens and sentences differ, as above",
    "epochs": "passes over the training pairs, so the same sentences; tokens and time differ",
}


@dataclass(frozen=True)
class Budget:
    """An amount of one of `UNITS`."""

    unit: str
    amount: float

    @classmethod
    def of(cls, where: str, **amounts: float | None) -> Budget:
        """The one amount that is given; raises `UserError`, which names `where`, unless exactly one is.

        >>> Budget.of("--scale tiny", updates=100, minutes=None, epochs=None)
        Budget(unit='updates', amount=100)
        """
        given = {unit: amount for unit, amount in amounts.items() if amount is not None}
        if len(given) != 1:
            raise UserError(f"{where}: {len(given)} of {', '.join(UNITS)} are given: give one of them")
        ((unit, amount),) = given.items()
        if amount <= 0:
            raise UserError(f"{where}: {unit} {amount}: give a number above 0")
        return cls(unit, amount)

    @property
    def flags(self) -> list[str]:
        """What fairseq-train takes; its clock counts the time of all sessions of a training together.

        >>> Budget("minutes", 30).flags
        ['--stop-time-hours', '0.5']
        """
        if self.unit == "minutes":
            return ["--stop-time-hours", f"{self.amount / 60:.10g}"]
        return [f"--max-{self.unit[:-1]}", f"{self.amount:.10g}"]

    @property
    def equal(self) -> str:
        """What systems that spend it have in common, in words."""
        return EQUAL[self.unit]

    def __str__(self) -> str:
        return f"{self.amount:g} {self.unit if self.amount != 1 else self.unit[:-1]}"

    def spent_by(self, progress: dict[str, float]) -> bool:
        """Whether a training that has come so far needs no more.

        >>> Budget("updates", 100).spent_by({"updates": 99, "minutes": 7, "epochs": 2})
        False
        """
        return progress[self.unit] >= self.amount

    def exceeded_by(self, progress: dict[str, float]) -> bool:
        """Whether a training that has come so far went beyond it.

        >>> Budget("updates", 100).exceeded_by({"updates": 101, "minutes": 7, "epochs": 2})
        True
        """
        return progress[self.unit] > self.amount
