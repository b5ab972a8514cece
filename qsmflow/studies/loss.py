"""Terms of the loss that a network is trained by, at a small budget.

L2, L1, and L1 with the model and the gradient term of QSMnet: a DeepQSM of width 8 that sees cubes and spheres, 300
batches of two patches of 48³ (with ``--quick`` 5). The budget is far below that of the papers: what is compared is how
fast each loss gets somewhere, on spheres and cylinders in 96³ voxels (64³), not what it reaches in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from qsmflow.nets import Card
from qsmflow.nets.levels import Ladder

from .budget import cases_for, narrow_recipe, scored, show_by, trained
from .study import Case, Request, Study, Varied

_LOSSES = {
    "l2": {"l2": 1.0},
    "l1": {"l1": 1.0},
    "l1 + model": {"l1": 1.0, "model": 0.5},
    "l1 + gradient": {"l1": 1.0, "gradient": 0.1},
    "l1 + model + gradient": {"l1": 1.0, "model": 0.5, "gradient": 0.1},
}


def _cases(request: Request) -> list[Case]:
    return cases_for(request, [{"loss": name} for name in _LOSSES])


def _prepare(problem: Varied, files: Sequence[Path]) -> tuple[Ladder, Card]:
    recipe = replace(narrow_recipe(), loss=_LOSSES[str(problem["loss"])])
    return trained(recipe, patch=48, batch=2, steps=int(problem["steps"]))


STUDY = Study(_cases, _prepare, scored, partial(show_by, "loss"), trains=True)
