"""The direction of B0, which a stage takes from the affine unless it is told."""

from __future__ import annotations

from typing import Any

from nipype.interfaces.base import isdefined, traits

from .base import StageInputSpec
from .volume import Volume

Direction = tuple[float, float, float]


class DirectedInputSpec(StageInputSpec):
    """Inputs of a stage that needs to know B0."""

    b0_dir = traits.Tuple(
        traits.Float(),
        traits.Float(),
        traits.Float(),
        parameter=True,
        desc="B0 in voxel axes; by default from the affine",
    )


def direction(inputs: Any, volume: Volume) -> Direction:
    """B0 in the voxel axes of `volume`: what the inputs say, or else what the affine does."""
    return inputs.b0_dir if isdefined(inputs.b0_dir) else volume.b0_dir


def rounded(b0_dir: Direction) -> list[float]:
    """For a sidecar."""
    return [round(b, 6) for b in b0_dir]
