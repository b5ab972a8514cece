"""Background removal from the field of the whole head: share of the local field that is wrong."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.harness import Case
from benchmarks.heads import TestHead
from qsmflow.config import BACKGROUNDS
from qsmflow.core import background
from qsmflow.core.mask.morphology import depth

Removed = tuple[torch.Tensor, torch.Tensor]
#: mm in the mask from which errors are told too.
_DEEP = 3.0


def _error(head: TestHead, result: Removed) -> dict[str, float]:
    """Errors in what the method keeps of the mask; in all of it, where what is lost counts as zero; and deep in it."""
    found, kept = result
    places = {"kept": kept, "mask": head.mask, "3 mm deep": depth(head.mask, head.voxel_size) >= _DEEP}
    return {
        where: 100 * float((found - head.local)[inside].norm() / head.local[inside].norm())
        for where, inside in places.items()
    }


def _remove(stages: tuple[str, ...], **settings: str) -> Callable[[TestHead], Removed]:
    def run(head: TestHead) -> Removed:
        field, mask = head.total, head.mask
        for stage in stages:
            field, mask = getattr(background, stage)(field, mask, head.voxel_size, **settings)
        return field, mask

    return run


CASES = [Case("background", name, _remove(stages), _error) for name, stages in BACKGROUNDS.items()] + [
    Case("background", "vsharp-inverse", _remove(("vsharp",), deconvolution="inverse"), _error)
]
