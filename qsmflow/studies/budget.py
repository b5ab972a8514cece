"""Networks trained at a small, stated budget, so that what is varied in their training can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qsmflow.core.metrics import hfen, nrmse, xsim
from qsmflow.errors import UsageError
from qsmflow.nets import Card, Scan, infer
from qsmflow.nets.levels import Ladder
from qsmflow.nets.weights import load
from qsmflow.reports.blocks import Block
from qsmflow.training.recipe import Recipe, read_recipe

from .figures import maps
from .problems import shapes_problem
from .study import Case, Done, Outcome, Score, Varied
from .tables import pivot, rows_of

#: Batches of a full study and of a quick one.
STEPS = {False: 1500, True: 20}
#: Voxels along each axis of the phantom that the networks are held against.
_SIZE = 96


def cases_for(problems: Sequence[Varied]) -> list[Case]:
    """A case for each network that is trained.

    Raises
    ------
    UsageError
        Lightning is not installed.
    """
    if find_spec("lightning") is None:
        raise UsageError("this study trains networks, and Lightning is not installed: pip install 'qsmflow[train]'")
    return [Case(problem, {"on": "shapes"}) for problem in problems]


def trained(changes: dict[str, Any], *, patch: int, batch: int, steps: int) -> tuple[Ladder, Card]:
    """A network of the recipe ``deepqsm_light`` with `changes`.

    Parameters
    ----------
    changes
        Fields of the recipe.
    patch, batch, steps
        Voxels of a patch along each axis, patches of a batch, batches.
    """
    from qsmflow.training.fit import train

    light = read_recipe("deepqsm_light")
    fit = replace(light.fit, steps=steps, batch=batch, warmup=min(light.fit.warmup, steps // 10))
    recipe: Recipe = replace(light, data=replace(light.data, patch=patch), fit=fit, **changes)
    with TemporaryDirectory() as folder:
        return load(train(recipe, Path(folder), device="cpu"))


def scored(made: tuple[Ladder, Card], varied: Varied) -> Outcome:
    """The map of the network on spheres and cylinders, with an SNR of 100."""
    problem = shapes_problem(_SIZE)
    chi, _ = infer(*made, Scan(problem.field, problem.mask, problem.voxel_size, problem.b0_dir))
    scores = [
        Score(name, float(metric(chi, problem.chi, problem.mask)), unit)
        for name, metric, unit in (("nrmse", nrmse, "%"), ("hfen", hfen, "%"), ("xsim", xsim, ""))
    ]
    return Outcome(scores, {"map": chi, "truth": problem.chi}, problem.affine)


def show_by(by: str, done: Sequence[Done]) -> list[Block]:
    """A table and maps."""
    caption = f"Spheres and cylinders in {_SIZE}³ voxels, by {by}"
    return [pivot(caption, rows_of(done), (by,)), *maps(by, done, by, limit=0.05)]
