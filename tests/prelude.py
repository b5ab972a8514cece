"""`prelude_pair`: real wrapped phase, and what FSL PRELUDE made of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from qsmflow.interfaces.volume import load


class Pair(NamedTuple):
    """Wrapped phase and PRELUDE's, rad, magnitude, and mask, each (X, Y, Z)."""

    phase: torch.Tensor
    prelude: torch.Tensor
    magnitude: torch.Tensor
    mask: torch.Tensor


def prelude_pair(data: Path) -> Pair:
    """Read it from the folder of real data."""
    names = ("phase_wrapped", "phase_prelude", "magnitude", "mask")
    phase, prelude, magnitude, mask = (load(data / "prelude_pair" / f"{name}.nii.gz") for name in names)
    return Pair(phase.data, prelude.data, magnitude.data, mask.mask)


def agreement(unwrapped: torch.Tensor, pair: Pair, where: torch.Tensor) -> float:
    """Share of the voxels of `where` that are the same multiple of 2 pi away from PRELUDE, to the nearest turn."""
    turns = ((unwrapped - pair.prelude) / (2 * torch.pi)).round()
    return float((turns[where] == turns[pair.mask].mode().values).float().mean())
