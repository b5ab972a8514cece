"""Denoisers before QSMnet, against QSMnet alone, at 0, 3, 5, 7 and 9 ppb of noise.

How good the denoised local field is (pSNR, SSIM), and then the map that QSMnet makes of it (NRMSE, pSNR, SSIM, HFEN):
the cascade of the poster, by the denoisers of the package. "none" is the noisy field itself, and QSMnet alone. The
poster's grid of losses is the study `denoiser`. With ``--quick`` at 0, 5 and 9 ppb. With ``--data`` the noise is added
to the measured field of the first orientation of each head, whose own noise is still in it, and COSMOS is the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from qsmflow.nets import predict

from .cascade import ALONE, NETWORK, levels, scored
from .cascade_tables import show_cascade
from .measured import listed, orientations_of, read
from .problems import Problem, study_brain
from .study import Case, Outcome, Request, Study, Varied

_DENOISERS = ("denoiser_2d", "denoiser_3d")


def _cases(request: Request) -> list[Case]:
    simulated: tuple[Varied, tuple[Path, ...]] = ({"voxel": request.voxel}, ())
    problems = [simulated] if request.data is None else [(one.problem, one.files) for one in listed(request.data)]
    return [
        Case(problem, {"denoiser": one, "noise": level}, (NETWORK,) if one == ALONE else (one, NETWORK), files)
        for problem, files in problems
        for level in levels(request)
        for one in (ALONE, *_DENOISERS)
    ]


def _prepare(problem: Varied, files: Sequence[Path]) -> Problem:
    if "data" in problem:
        return read(next(iter(orientations_of(problem).values()))).problem
    return study_brain(files, float(problem["voxel"]))


def _compute(made: Problem, varied: Varied) -> Outcome:
    def denoised(noisy: Problem) -> torch.Tensor:
        where = (noisy.mask, noisy.voxel_size, noisy.b0_dir)
        return predict(noisy.field, *where, str(varied["denoiser"]), noise=noisy.noise).map

    return scored(made, float(varied["noise"]), None if varied["denoiser"] == ALONE else denoised)


STUDY = Study(_cases, _prepare, _compute, partial(show_cascade, "noise"), measured=True, headed=True)
