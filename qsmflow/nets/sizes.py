"""The sizes that a network of halvings can take."""

from __future__ import annotations

import torch


def refuse_size(x: torch.Tensor, multiple: int, dims: int) -> None:
    """Raise ValueError unless `x` is (N, C) and `dims` sizes that are multiples of `multiple`."""
    sizes = tuple(x.shape[2:])
    if len(sizes) != dims:
        raise ValueError(f"expected (batch, channels) and {dims} axes, got shape {tuple(x.shape)}")
    if any(n % multiple for n in sizes):
        raise ValueError(f"every size must be a multiple of {multiple}, got {sizes}; pad the volume")
