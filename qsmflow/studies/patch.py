"""Patches of 32, 48 and 64 voxels that a network is trained on, at a small budget.

A DeepQSM of width 8 that sees cubes and spheres, 300 batches (with ``--quick`` 5) of eight, two and one patch, which
are about as many voxels. As with `loss`, what is compared is how fast a network gets somewhere, not what it reaches.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qsmflow.nets import Card
from qsmflow.nets.levels import Ladder

from .budget import cases_for, narrow_recipe, scored, show_by, trained
from .study import Case, Request, Study, Varied

#: Voxels along each axis, and patches of a batch.
_PATCHES = {32: 8, 48: 2, 64: 1}


def _cases(request: Request) -> list[Case]:
    return cases_for(request, [{"patch": size} for size in _PATCHES])


def _prepare(problem: Varied, files: Sequence[Path]) -> tuple[Ladder, Card]:
    size = int(problem["patch"])
    return trained(narrow_recipe(), patch=size, batch=_PATCHES[size], steps=int(problem["steps"]))


STUDY = Study(_cases, _prepare, scored, partial(show_by, "patch"), trains=True)
