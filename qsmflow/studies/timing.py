"""Seconds and memory of every method against the size of the matrix.

One method at a time, in voxels of 1 mm, on spheres and cylinders whose field is exact. Where a run takes less than five
seconds it is the better of two after a first. Seconds hang on the machine; pairs of real FFTs of the same grid, by
seconds of the processor, do less. Memory is what the process held at its peak beyond what it held before, in megabytes.
Beside the FFT pairs stands what the fastest native peer took at 160³, measured on two cores of another machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qsmflow.config import INVERSIONS
from qsmflow.reports.blocks import Block

from .cost import fft_pair, peak, reset_peak, timed
from .figures import curves
from .methods import cases_of, invert
from .problems import Problem, shapes_problem
from .study import Case, Done, Outcome, Request, Score, Study, Varied
from .tables import pivot, rows_of

_SIZES, _QUICK = (64, 96, 128, 160), (48, 64)
#: Seconds from which a method is run once.
_LONG = 5.0
_PEERS = {"tkd": "5", "l2": "5", "tv": "260", "rts": "140", "ndi": "1700", "nltv": "2500"}
_TITLES = {"seconds": ("Time", "s"), "pairs": ("FFT pairs", ""), "memory": ("Peak memory", "MB")}


def _cases(request: Request) -> list[Case]:
    return [case for size in (_QUICK if request.quick else _SIZES) for case in cases_of({"size": size}, INVERSIONS)]


def _prepare(problem: Varied, files: Sequence[Path]) -> Problem:
    return shapes_problem(int(problem["size"]))


def _compute(made: Problem, varied: Varied) -> Outcome:
    def work() -> None:
        invert(str(varied["method"]), made)

    before = reset_peak()
    taken = timed(work)
    if taken.wall < _LONG:  # the first time libraries are loaded, which costs time and memory
        before = reset_peak()
        taken = min(timed(work) for _ in range(2))
    memory = (peak() - before) / 1e6
    pairs = taken.work / fft_pair(made.clean).work
    return Outcome([Score("seconds", taken.wall, "s"), Score("pairs", pairs), Score("memory", memory, "MB")])


def _show(done: Sequence[Done]) -> list[Block]:
    blocks: list[Block] = []
    for metric, (title, unit) in _TITLES.items():
        rows = rows_of(done, metric=metric)
        beside = ("fastest peer at 160", _PEERS) if metric == "pairs" else None
        caption = ", ".join(part for part in (title, unit, "by voxels along each axis") if part)
        blocks.append(pivot(caption, rows, ("method",), "size", beside=beside))
        blocks.append(curves(f"timing_{metric}", rows, "size", "voxels along each axis", metric, label=title))
    return blocks


STUDY = Study(_cases, _prepare, _compute, _show, alone=True)
