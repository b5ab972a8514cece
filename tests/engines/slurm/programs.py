"""SLURM's programs, pretended: each answers with what a test lays down, and keeps the words it was called with."""

from __future__ import annotations

from pathlib import Path

import pytest


class Programs:
    """A folder of programs that is all of PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def add(self, name: str, answer: str = "", *, error: str = "", status: int = 0) -> None:
        """Have a program that prints `answer` and `error` and ends with `status`."""
        (self._folder / f"{name}.answer").write_text(answer)
        (self._folder / f"{name}.error").write_text(error)
        self.script(name, f"cat {self._folder}/{name}.answer\ncat {self._folder}/{name}.error >&2\nexit {status}")

    def script(self, name: str, body: str) -> None:
        """Have a program that does `body`, of a shell, in the folder of the programs."""
        keep = f'echo "$@" >> {self._folder}/{name}.words\nenv > {self._folder}/{name}.environment\n'
        program = self._folder / name
        program.write_text(f"#!/bin/sh\ncd {self._folder}\n{keep}{body}\n")
        program.chmod(0o755)

    def words(self, name: str) -> list[str]:
        """A line for each call of the program."""
        return (self._folder / f"{name}.words").read_text().splitlines()

    def environment(self, name: str) -> list[str]:
        """The environment of its last call."""
        return (self._folder / f"{name}.environment").read_text().splitlines()
