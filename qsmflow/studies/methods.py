"""Every inversion and network by its name, at its default settings, on a problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from qsmflow.config import INVERSIONS, NETWORKS
from qsmflow.core.inversion import ilsqr, l2, medi, ndi, rts, tgv, tkd, tsvd, tv, whtv
from qsmflow.nets import predict

from .problems import ECHO, Problem
from .study import Case, Varied

#: WH-TV is linear here, as it is among the channels of networks.
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tkd": tkd,
    "tsvd": tsvd,
    "l2": l2,
    "ilsqr": ilsqr,
    "rts": rts,
    "tv": tv,
    "nltv": partial(tv, te=ECHO),
    "tgv": tgv,
    "nltgv": partial(tgv, te=ECHO),
    "ndi": partial(ndi, te=ECHO),
    "whtv": whtv,
}
_MEDI: Callable[..., Any] = partial(medi, te=ECHO)


def invert(
    method: str, problem: Problem, field: torch.Tensor | None = None, settings: Mapping[str, float] | None = None
) -> torch.Tensor:
    """Susceptibility by one method.

    Parameters
    ----------
    method
        One of `qsmflow.config.INVERSIONS`.
    problem
        Mask, grid and magnitude, and the field where `field` is None.
    field
        Local field, ppm, (X, Y, Z). Networks are told the noise of the problem's own field, as a field fit would tell
        them, and estimate that of any other.
    settings
        Other than the defaults of the method.

    Returns
    -------
    torch.Tensor
        ppm, (X, Y, Z); zero outside the mask.
    """
    noise = problem.noise if field is None else None
    field = problem.field if field is None else field
    where = (problem.mask, problem.voxel_size, problem.b0_dir)
    if method in NETWORKS:
        return predict(field, *where, method, noise=noise).map
    if method == "medi":
        made = _MEDI(field, problem.magnitude, *where, **(settings or {}))
    else:
        made = _FUNCTIONS[method](field, *where, **(settings or {}))
    return made[0] if isinstance(made, tuple) else made


def cases_of(problem: Varied, methods: tuple[str, ...] = INVERSIONS) -> list[Case]:
    """A case for each of `methods`; networks ask for their weights."""
    return [Case(problem, {"method": one}, (one,) if one in NETWORKS else ()) for one in methods]
