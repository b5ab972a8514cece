"""Networks on other grids and field strengths, beside the map of the straight grid of 1 mm brought there.

Voxels of 0.6 x 0.6 x 2 mm and of 0.5 mm, a grid that is oblique by 30 degrees, and the noise of 7 T. A network that
copes with a grid is no worse there than its own map of the straight one after interpolation.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from qsmflow.config import NETWORKS
from qsmflow.core.metrics import nrmse
from qsmflow.core.registration import resample
from qsmflow.reports.blocks import Block

from .methods import cases_of, invert
from .problems import NOISE, Problem, Vector, brain_problem, study_head
from .study import Case, Done, Outcome, Request, Score, Study, Varied
from .tables import pivot, rows_of


class _Grid(NamedTuple):
    voxel: Vector = (1.0, 1.0, 1.0)
    tilt: float = 0.0
    noise: float = NOISE


_GRIDS = {
    "0.6 x 0.6 x 2 mm": _Grid((0.6, 0.6, 2.0)),
    "oblique by 30 degrees": _Grid(tilt=30.0),
    "0.5 mm": _Grid((0.5, 0.5, 0.5)),
    "7 T": _Grid(noise=NOISE * 3.0 / 7.0),
}
#: The one grid of the quick study.
_QUICK = "oblique by 30 degrees"


def _cases(request: Request) -> list[Case]:
    names = [_QUICK] if request.quick else list(_GRIDS)
    return [case for name in names for case in cases_of({"grid": name, "voxel": request.voxel}, NETWORKS)]


def _prepare(problem: Varied, files: Sequence[Path]) -> tuple[Problem, Problem]:
    """On the grid and on the straight one."""
    scale = float(problem["voxel"])
    head = study_head(files, scale * min(_GRIDS[str(problem["grid"])].voxel))
    straight, there = (
        brain_problem(head, [scale * size for size in grid.voxel], tilt=(grid.tilt, 0.0, 0.0)).with_noise(grid.noise)
        for grid in (_Grid(), _GRIDS[str(problem["grid"])])
    )
    return straight, there


def _compute(made: tuple[Problem, Problem], varied: Varied) -> Outcome:
    straight, there = made
    chi, first = (invert(str(varied["method"]), one) for one in (there, straight))
    x, y, z = there.chi.shape
    brought = resample(first, straight.affine, np.eye(4), there.affine, (x, y, z))
    scores = [
        Score(name, float(nrmse(found, there.chi, there.mask)), "%")
        for name, found in (("nrmse there", chi), ("nrmse brought", brought))
    ]
    return Outcome(scores)


def _show(done: Sequence[Done]) -> list[Block]:
    caption = "NRMSE, %, of the map there, and of the map of the straight grid brought there"
    return [pivot(caption, rows_of(done), ("grid", "method"))]


STUDY = Study(_cases, _prepare, _compute, _show, headed=True)
