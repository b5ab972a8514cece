"""How bad input is named: the file, the field, what is wrong and how to mend it, in one line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qsmflow.errors import InputError


class RefusalError(InputError):
    """One fault of the input; raised where it is found, its text is the whole line."""

    def __init__(self, file: Path, field: str, message: str, mend: str) -> None:
        super().__init__(f"{file}: {field}: {message}; {mend}")
        self.file = file
        self.field = field
        self.message = message
        self.mend = mend


@dataclass(frozen=True)
class Problem:
    """A fault of the input and whom it hits.

    Attributes
    ----------
    file, field, message, mend
        Where the fault stands, what is wrong, and what to do about it.
    subject
        Label without ``sub-``.
    series
        Name of the series (`Series.name`); empty where the whole subject is hit.
    stops
        False for what is handled but must be told: the subject is processed all the same.
    """

    file: Path
    field: str
    message: str
    mend: str
    subject: str
    series: str = ""
    stops: bool = True

    @classmethod
    def of(cls, refusal: RefusalError, subject: str, series: str = "", *, stops: bool = True) -> Problem:
        """The problem that `refusal` is for `subject` and `series`."""
        return cls(refusal.file, refusal.field, refusal.message, refusal.mend, subject, series, stops)

    def __str__(self) -> str:
        return f"{self.file}: {self.field}: {self.message}; {self.mend}"
