"""Losses that a denoiser is trained by, before QSMnet: the grid of the poster at a small budget.

Denoisers of slices and of volumes, each trained by L1 (1-0), L2 (0-1) or 0.7 of both (0.7-0.7), without and with 0.3
(1 - SSIM): twelve networks, as wide as those of the package, of 400 batches (with ``--quick`` 10) of four patches of
24 voxels, which show cubes and spheres with 0 to 9 ppb of noise. They are held against each other on a head. The budget
is far below that of the poster: what is compared is how fast each loss gets somewhere. Losses are in ppm, as in the
recipes, so that L2 beside L1 weighs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from qsmflow.nets import Card, Scan, infer
from qsmflow.nets.levels import Ladder
from qsmflow.training.recipe import Data, read_recipe

from .budget import ask_for_lightning, trained
from .cascade import ALONE, NETWORK, levels, scored
from .cascade_tables import show_cascade
from .problems import Problem, study_brain
from .study import Case, Outcome, Request, Study, Varied

#: Batches of a full study and of a quick one; patches of a batch, and voxels of a patch along each axis.
_STEPS = {False: 400, True: 10}
_BATCH, _PATCH = 4, 24
_RECIPES = {"2-D": "denoiser_2d_light", "3-D": "denoiser_3d_light"}
#: Weights of L1 and L2, and of 1 - SSIM.
_PAIRS = {"1-0": (1.0, 0.0), "0-1": (0.0, 1.0), "0.7-0.7": (0.7, 0.7)}
_SHARES = (0.0, 0.3)
_Networks = dict[str, tuple[Ladder, Card]]


def _losses(dims: str) -> dict[str, dict[str, float]]:
    """The losses of the grid by the name of the denoiser that is trained by each."""
    return {
        f"{dims} {name}{f' SSIM {share:g}' if share else ''}": {"l1": l1, "l2": l2, "ssim": share}
        for name, (l1, l2) in _PAIRS.items()
        for share in _SHARES
    }


def _cases(request: Request) -> list[Case]:
    ask_for_lightning()
    cases: list[Case] = []
    for dims in _RECIPES:
        problem: Varied = {"dims": dims, "steps": _STEPS[request.quick], "voxel": request.voxel}
        alone = [] if cases else [ALONE]
        cases += [
            Case(problem, {"denoiser": one, "noise": level}, (NETWORK,))
            for one in (*alone, *_losses(dims))
            for level in levels(request)
        ]
    return cases


def _prepare(problem: Varied, files: Sequence[Path]) -> tuple[Problem, _Networks]:
    """A brain, and the denoisers of one kind by name."""
    dims = str(problem["dims"])
    recipe = read_recipe(_RECIPES[dims])
    recipe = replace(recipe, data=Data(kind="cubes", patch=_PATCH, noise=recipe.data.noise))
    networks = {
        name: trained(replace(recipe, loss=loss), patch=_PATCH, batch=_BATCH, steps=int(problem["steps"]))
        for name, loss in _losses(dims).items()
    }
    return study_brain(files, float(problem["voxel"])), networks


def _compute(made: tuple[Problem, _Networks], varied: Varied) -> Outcome:
    brain, networks = made

    def denoised(noisy: Problem) -> torch.Tensor:
        noise = torch.full_like(noisy.field, noisy.sd)
        scan = Scan(noisy.field, noisy.mask, noisy.voxel_size, noisy.b0_dir, noise)
        return infer(*networks[str(varied["denoiser"])], scan)[0]

    return scored(brain, float(varied["noise"]), None if varied["denoiser"] == ALONE else denoised)


STUDY = Study(_cases, _prepare, _compute, partial(show_cascade, "denoiser"), trains=True, headed=True)
