"""Datasets of many subjects who are one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def copies(root: Path, subjects: int, *options: str) -> None:
    """A dataset in `root` of `subjects`, all of them one that is simulated with `options`, without its truth."""
    # in a process of its own, whose memory and time are not counted
    subprocess.run([sys.executable, "-m", "qsmflow", "simulate", str(root), "--supersample", "1", *options], check=True)
    shutil.rmtree(root / "derivatives")
    multiply(root, subjects)
    table = root / "participants.tsv"
    header, row = table.read_text().splitlines()
    rows = [row.replace("sub-01", label(number)) for number in range(1, subjects + 1)]
    table.write_text("\n".join([header, *rows]) + "\n")


def multiply(root: Path, subjects: int) -> None:
    """Give what the dataset in `root` has of ``sub-01`` to others, so that there are `subjects`."""
    files = [path.relative_to(root) for path in (root / "sub-01").rglob("*") if path.is_file()]
    for number in range(2, subjects + 1):
        for file in files:
            target = root / str(file).replace("sub-01", label(number))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, target)


def label(number: int) -> str:
    """The folder of a subject, counted from 1."""
    return f"sub-{number:02d}"
