"""Networks trained at a small, stated budget, so that what is varied in their training can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from qsmflow.core.metrics import hfen, nrmse, xsim
from qsmflow.errors import UsageError
from qsmflow.nets import Card, Scan, infer
from qsmflow.nets.levels import Ladder
from qsmflow.nets.weights import load
from qsmflow.reports.blocks import Block
from qsmflow.training.recipe import Recipe, read_recipe

from .figures import maps
from .problems import shapes_problem
from .study import Case, Done, Outcome, Request, Score, Varied
from .tables import pivot, rows_of

#: Batches of a full study and of a quick one.
_STEPS = {False: 300, True: 5}


def ask_for_lightning() -> None:
    """Raises `UsageError` where Lightning is not installed."""
    if find_spec("lightning") is None:
        raise UsageError("this study trains networks, and Lightning is not installed: pip install 'qsmflow[train]'")


def cases_for(request: Request, problems: Sequence[Varied]) -> list[Case]:
    """A case for each network that is trained, as `ask_for_lightning` allows it."""
    ask_for_lightning()
    steps, size = _STEPS[request.quick], 64 if request.quick else 96
    return [Case({**problem, "steps": steps}, {"size": size}) for problem in problems]


def narrow_recipe() -> Recipe:
    """DeepQSM on cubes and spheres, narrow enough that several are trained within a study."""
    recipe = read_recipe("deepqsm_light")
    return replace(recipe, parameters={**recipe.parameters, "width": 8})


def trained(recipe: Recipe, *, patch: int, batch: int, steps: int) -> tuple[Ladder, Card]:
    """A network of a recipe at another budget.

    Parameters
    ----------
    recipe
        What is trained.
    patch, batch, steps
        Voxels of a patch along each axis, patches of a batch, batches.
    """
    from qsmflow.training.fit import train

    fit = replace(recipe.fit, steps=steps, batch=batch, warmup=min(recipe.fit.warmup, steps // 10))
    recipe = replace(recipe, data=replace(recipe.data, patch=patch), fit=fit)
    with TemporaryDirectory() as folder:
        return load(train(recipe, Path(folder), device="cpu"))


def scored(made: tuple[Ladder, Card], varied: Varied) -> Outcome:
    """The map of the network on spheres and cylinders, with an SNR of 100."""
    problem = shapes_problem(int(varied["size"]))
    chi, _ = infer(*made, Scan(problem.field, problem.mask, problem.voxel_size, problem.b0_dir))
    scores = [
        Score(name, float(metric(chi, problem.chi, problem.mask)), unit)
        for name, metric, unit in (("nrmse", nrmse, "%"), ("hfen", hfen, "%"), ("xsim", xsim, ""))
    ]
    return Outcome(scores, {"map": chi, "truth": problem.chi}, problem.affine)


def show_by(by: str, done: Sequence[Done]) -> list[Block]:
    """A table and maps."""
    case = done[0].case
    caption = f"Spheres and cylinders in {case.varied['size']}³ voxels, after {case.problem['steps']} batches"
    return [pivot(caption, rows_of(done), (by,)), *maps(by, done, by, limit=0.05)]
