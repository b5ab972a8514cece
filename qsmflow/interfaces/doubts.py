"""What is possible and hardly meant: warnings about data in other units, or of another stage."""

from __future__ import annotations

import math

import torch

from .volume import Volume

#: ppm: medians of what a brain has are a tenth of this at most; a field in Hz or rad has far more.
LOCAL, TOTAL = 0.25, 5.0
#: Share of neighbours more than half a turn apart, above which a phase is hardly unwrapped.
_WRAPPED = 0.02


def of_field(volume: Volume, mask: torch.Tensor, most: float) -> tuple[str, ...]:
    """A warning where half of the mask has a stronger field than `most` ppm."""
    median = float(volume.data[mask].abs().median())
    if median <= most:
        return ()
    return (f"{volume.path}: the median of the field's size is {median:.3g} ppm; is it in ppm, not in Hz or rad?",)


def of_unwrapped(volume: Volume, mask: torch.Tensor) -> tuple[str, ...]:
    """A warning where neighbours in the mask lie more than half a turn apart in the last echo."""
    jumps, pairs = 0, 0
    for axis in range(3):
        size = mask.shape[axis] - 1
        both = mask.narrow(axis, 0, size) & mask.narrow(axis, 1, size)
        steps = volume.data[-1].diff(dim=axis)[both].abs()
        jumps, pairs = jumps + int((steps > math.pi).sum()), pairs + len(steps)
    if jumps <= _WRAPPED * pairs:
        return ()
    share = 100 * jumps / pairs
    return (f"{volume.path}: {share:.0f} % of the neighbours are more than half a turn apart; is it unwrapped?",)


def refuse_unscaled(volume: Volume) -> None:
    """Raise ValueError unless `volume`, a wrapped phase, spans no more than two turns."""
    low, high = float(volume.data.min()), float(volume.data.max())
    if high - low > 4.1 * math.pi:
        raise ValueError(
            f"{volume.path}: values from {low:.4g} to {high:.4g} are no wrapped phase in rad; "
            "scale it first (qsmflow stage scale_phase)"
        )
