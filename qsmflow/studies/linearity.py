"""Lesions of -1.4 to 1.4 ppm: whether what a method finds grows as what is there.

Spheres of 4 mm deep in a brain, half of the values at a time; the mean that a method finds in each against the true
one. The slope of the line through them is 1 for a linear method, which the training of QSMnet+ is after. Published is
the error of both networks of Jung et al., NeuroImage 2020, 211:116619, in simulated lesions of the same range; against
a conventional map of patients they report slopes of 0.68 (QSMnet) and 1.05 (QSMnet+). Their networks see the field
alone; what ours see stands below.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from qsmflow.config import NETWORKS
from qsmflow.reports.blocks import Block

from .figures import against, maps
from .methods import cases_of, invert
from .problems import NOISE, Problem, study_brain, with_lesions
from .study import Case, Done, Outcome, Request, Row, Score, Study, Varied
from .tables import pivot, rows_of

_LESIONS = tuple(round(0.2 * step, 1) for step in range(-7, 8) if step)
_PUBLISHED = {"qsmnet": "rmse 0.36 ppm", "qsmnet_plus": "rmse 0.04 ppm"}
_METHODS = ("tkd", "l2", "medi", "whtv", *NETWORKS)


def _cases(request: Request) -> list[Case]:
    return [case for half in (0, 1) for case in cases_of({"half": half, "voxel": request.voxel}, _METHODS)]


def _prepare(problem: Varied, files: Sequence[Path]) -> tuple[Problem, torch.Tensor]:
    plain = study_brain(files, float(problem["voxel"])).with_noise(NOISE)
    # the wider one leaves whole voxels within a lesion on coarse grids too
    return with_lesions(plain, _LESIONS[int(problem["half"]) :: 2], radius=max(4.0, 2.5 * float(problem["voxel"])))


def _compute(made: tuple[Problem, torch.Tensor], varied: Varied) -> Outcome:
    problem, lesions = made
    chi = invert(str(varied["method"]), problem)
    scores = []
    for number in range(1, int(lesions.max()) + 1):
        for name, volume in (("true", problem.chi), ("found", chi)):
            scores.append(Score(name, float(volume[lesions == number].mean()), "ppm", f"lesion {number}"))
    return Outcome(scores, {"map": chi, "truth": problem.chi}, problem.affine)


def _show(done: Sequence[Done]) -> list[Block]:
    rows = rows_of(done)
    table = pivot("Lesions of -1.4 to 1.4 ppm", _lines(done), ("method",), beside=("published", _PUBLISHED))
    first = [one for one in done if one.case.problem["half"] == 0]
    return [table, against("linearity", rows), *maps("linearity", first, limit=0.5)]


def _lines(done: Sequence[Done]) -> list[Row]:
    """Slope and errors of each method over both halves."""
    lines: list[Row] = []
    for method in dict.fromkeys(one.case.row["method"] for one in done):
        rows = rows_of(done, method=method)
        if any(row["note"] for row in rows):
            lines += rows[:1]
            continue
        true, found = (
            np.array([row["value"] for row in rows if row["metric"] == name], float) for name in ("true", "found")
        )
        slope, offset = np.polyfit(true, found, 1)
        error, worst = float(np.sqrt(np.mean((found - true) ** 2))), float(np.abs(found - true).max())
        told = (("slope", slope, ""), ("offset", offset, "ppm"), ("rmse", error, "ppm"), ("worst error", worst, "ppm"))
        for name, value, unit in told:
            lines.append(
                {"method": method, "region": "lesions", "metric": name, "value": float(value), "unit": unit, "note": ""}
            )
    return lines


STUDY = Study(_cases, _prepare, _compute, _show, headed=True)
