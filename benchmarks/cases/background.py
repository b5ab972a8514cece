"""Background removal from the field of the whole head: share of the local field that is wrong in what mask is left."""

from __future__ import annotations

import torch

from benchmarks.harness import Case
from benchmarks.heads import TestHead
from qsmflow.core.background import vsharp
from qsmflow.core.metrics import nrmse


def _error(head: TestHead, result: tuple[torch.Tensor, torch.Tensor]) -> float:
    local, kept = result
    return float(nrmse(local, head.local, kept))


CASES = [
    Case("background", "vsharp", lambda head: vsharp(head.total, head.mask, head.voxel_size), _error),
    Case(
        "background",
        "vsharp-inverse",
        lambda head: vsharp(head.total, head.mask, head.voxel_size, deconvolution="inverse"),
        _error,
    ),
]
