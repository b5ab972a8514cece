"""The sizes that a network of halvings can have, and those that it can take."""

from __future__ import annotations

import torch

#: Channels of the lowest level, at most; the published networks have 512.
MOST_CHANNELS = 2048
#: Channels that go in or come out, at most.
MOST_ENDS = 512


def refuse_size(x: torch.Tensor, multiple: int, dims: int) -> None:
    """Raise ValueError unless `x` is (N, C) and `dims` sizes that are multiples of `multiple`."""
    sizes = tuple(x.shape[2:])
    if len(sizes) != dims:
        raise ValueError(f"expected (batch, channels) and {dims} axes, got shape {tuple(x.shape)}")
    if any(n % multiple for n in sizes):
        raise ValueError(f"every size must be a multiple of {multiple}, got {sizes}; pad the volume")


def refuse_parameter(name: str, value: object, low: int, high: int) -> None:
    """Raise ValueError unless `value` is a whole number from `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name}: {value!r} is no whole number from {low} to {high}")
