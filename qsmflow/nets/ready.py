"""A trained network made ready to compute: the same numbers with fewer passes over memory."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .levels import Ladder

_CONV = (nn.Conv2d, nn.Conv3d)
_NORM = (nn.BatchNorm2d, nn.BatchNorm3d)


def ready(network: Ladder, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Ladder:
    """A copy of `network` for evaluation.

    Batch normalisation is folded into the convolution before it where there is one, weights have their channels
    innermost, in which convolutions are faster, and all is of `dtype` but for the head, which stays float32: rounding
    the features costs little, rounding the map would show.
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for part in network.modules():
        if isinstance(part, nn.Sequential):
            _fold(part)
    network.to(device, dtype, memory_format=network.layout)  # type: ignore[call-overload]
    network.head.float()
    return network


def _fold(sequence: nn.Sequential) -> None:
    for i, (layer, after) in enumerate(pairwise(list(sequence))):
        if isinstance(layer, _CONV) and isinstance(after, _NORM):
            with torch.no_grad():
                sequence[i] = fuse_conv_bn_eval(layer, after)
            sequence[i + 1] = nn.Identity()
