"""Background removal by every method and radius: the error of the local field, and how it travels into the map.

From the total field of a whole head with 2 ppb of noise. The local field is held against the true one where the method
keeps the mask, and deeper than 12 mm, which is the same for every method: what reaches farther out has more of the rim
in it. Then L2 and TV invert both fields, in what is kept, so that what the removal costs is seen beside what the
inversion costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from qsmflow.config import BACKGROUNDS
from qsmflow.core import background
from qsmflow.core.mask.morphology import depth
from qsmflow.core.metrics import nrmse
from qsmflow.reports.blocks import Block

from .figures import maps
from .methods import invert
from .problems import NOISE, Problem, study_head, whole_head_problem
from .study import Case, Done, Outcome, Request, Score, Study, Varied
from .tables import pivot, rows_of

#: The setting that is a radius, and its values, mm.
_RADII = {
    "vsharp": ("max_radius", (6.0, 12.0, 18.0)),
    "resharp": ("radius", (4.0, 6.0, 8.0)),
    "ismv": ("radius", (4.0, 6.0, 8.0)),
    "lbv": ("peel", (2.0, 4.0)),
}
_DEFAULT = "default"
#: Whose map is shown, where it is not that of 6 mm.
_SHOWN = {"lbv": 4.0}
#: mm below the surface of the brain: deeper than any method takes away.
_DEEP = 12.0
_INVERSIONS = ("l2", "tv")


def _cases(request: Request) -> list[Case]:
    problem = {"voxel": request.voxel}
    return [
        Case(problem, {"method": method, "radius": radius})
        for method in BACKGROUNDS
        for radius in _RADII.get(method, ("", (_DEFAULT,)))[1]
    ]


def _prepare(problem: Varied, files: Sequence[Path]) -> tuple[Problem, torch.Tensor]:
    voxel = float(problem["voxel"])
    made, total = whole_head_problem(study_head(files, voxel), voxel)
    noisy = made.with_noise(NOISE)
    return noisy, torch.where(made.mask, total + noisy.field - made.clean, 0.0)


def _compute(made: tuple[Problem, torch.Tensor], varied: Varied) -> Outcome:
    problem, total = made
    field, kept = _remove(str(varied["method"]), varied["radius"], total, problem)
    deep = kept & (depth(problem.mask, problem.voxel_size) > _DEEP)
    share = 100.0 * float(kept.sum()) / float(problem.mask.sum())
    scores = [
        Score("mask kept", share, "%"),
        Score("field", float(nrmse(field, problem.clean, kept)), "%", "kept"),
        Score("field deep inside", float(nrmse(field, problem.clean, deep)), "%", "deep"),
    ]
    maps = {}
    for method in _INVERSIONS:
        for name, local in (("removed", field), ("true local field", problem.field)):
            chi = invert(method, problem.within(kept), torch.where(kept, local, 0.0))
            scores.append(Score(f"{method}, {name}", float(nrmse(chi, problem.chi, kept)), "%", "kept"))
            maps[name] = chi
    truth = torch.where(kept, problem.chi, 0.0)
    return Outcome(scores, {"map": maps["removed"], "truth": truth}, problem.affine)


def _remove(
    method: str, radius: str | int | float, total: torch.Tensor, problem: Problem
) -> tuple[torch.Tensor, torch.Tensor]:
    settings = {} if radius == _DEFAULT else {_RADII[method][0]: float(radius)}
    field, kept = total, problem.mask
    for stage in BACKGROUNDS[method]:
        field, kept = getattr(background, stage)(field, kept, problem.voxel_size, **settings)
    return field, kept


def _show(done: Sequence[Done]) -> list[Block]:
    caption = "NRMSE, %, of the local field in what is kept of the mask, and of maps of it and of the true local field"
    shown = [
        one for one in done if one.case.varied["radius"] in (_DEFAULT, _SHOWN.get(str(one.case.varied["method"]), 6.0))
    ]
    return [pivot(caption, rows_of(done), ("method", "radius")), *maps("background", shown)]


STUDY = Study(_cases, _prepare, _compute, _show, headed=True)
