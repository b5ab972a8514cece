"""A registration of one volume to another, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from qsmflow.core.registration import RigidResult

from .volume import Volume


def registered(
    method: Callable[..., RigidResult],
    moving: Volume,
    reference: Volume,
    moving_mask: torch.Tensor | None,
    reference_mask: torch.Tensor | None,
) -> tuple[torch.Tensor, dict[str, Any]]:
    """World points of the reference to those of the moving image, (4, 4), and what goes into the sidecar.

    Raises
    ------
    ValueError
        As `method`, with the names of the files.
    """
    try:
        found = method(moving.data, moving.affine, reference.data, reference.affine, moving_mask, reference_mask)
    except ValueError as error:
        raise ValueError(f"{moving.path} to {reference.path}: {error}") from error
    return found.transform, {"Correlation": round(found.correlation, 4), "Overlap": round(found.overlap, 4)}
