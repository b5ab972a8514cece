"""What a method costs and how near it comes: seconds, FFT pairs, error, peak memory; each in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.heads import TestHead
from qsmflow.studies.cost import fft_pair, peak, reset_peak, timed

#: Seconds from which a case is run once.
_LONG = 5.0


@dataclass(frozen=True)
class Case:
    """One method at its default settings.

    Attributes
    ----------
    stage, method
        Names of the package.
    run
        Takes what `prepare` made and computes; what it returns is scored.
    score
        Errors of the result in per cent by what they are of, where there is a truth.
    prepare
        Makes more of the head before the clock starts.
    """

    stage: str
    method: str
    run: Callable[[Any], Any]
    score: Callable[[TestHead, Any], dict[str, float]] | None = None
    prepare: Callable[[TestHead], Any] = lambda head: head

    @property
    def name(self) -> str:
        """What `--only` knows it by."""
        return f"{self.stage}/{self.method}"


@dataclass(frozen=True)
class Cost:
    """What one case took.

    Attributes
    ----------
    seconds
        Best of two after a first; the first where that takes more than five seconds.
    pairs
        The same in pairs of real FFTs of the grid, measured in the same process, by seconds of the processor.
    errors
        Per cent; none without a truth.
    volumes
        Peak memory beyond what the process held with its inputs loaded, in float32 volumes of the grid.
    """

    seconds: float
    pairs: float
    errors: dict[str, float]
    volumes: float


def measure(case: Case, head: Path, device: str = "cpu", threads: int | None = None) -> Cost:
    """Run `case` on the saved `head` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks", "--child", case.name, str(head), device, str(threads or 0)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{case.name} failed: {done.stderr.strip().splitlines()[-1]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def child(case: Case, path: Path, device: str, threads: int) -> str:
    """What the fresh process does: the cost as JSON."""
    if threads:
        torch.set_num_threads(threads)
    head = TestHead.load(path, device)
    given = case.prepare(head)
    results: list[Any] = []

    def work() -> None:
        results[:] = [case.run(given)]

    before = reset_peak(device)
    taken = timed(work, device)
    if taken.wall < _LONG:  # the first time libraries are loaded, which costs time and memory
        before = reset_peak(device)
        taken = min(timed(work, device) for _ in range(2))
    volumes = (peak(device) - before) / (4 * head.mask.numel())
    unit = fft_pair(head.local, device)
    errors = case.score(head, results[0]) if case.score is not None else {}
    return json.dumps(asdict(Cost(taken.wall, taken.work / unit.work, errors, volumes)))
