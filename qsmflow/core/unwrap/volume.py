"""One image unwrapped by any of the methods that are true to 2 pi."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from .best_path import best_path
from .romeo import romeo
from .segue import segue

_METHODS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "romeo": romeo,
    "best_path": lambda phase, _, mask: best_path(phase, mask),
    "segue": lambda phase, _, mask: segue(phase, mask),
}


def unwrap_volume(
    phase: torch.Tensor, magnitude: torch.Tensor, mask: torch.Tensor, method: str = "romeo"
) -> torch.Tensor:
    """Unwrap in space; the multiple of 2 pi that no method knows is the one that brings the median nearest to zero.

    Parameters
    ----------
    phase, magnitude
        rad and any unit, (X, Y, Z).
    mask
        bool, (X, Y, Z); each of its connected parts has a multiple of its own.
    method
        ``romeo``, ``best_path`` or ``segue``.

    Returns
    -------
    torch.Tensor
        rad, (X, Y, Z), zero outside the mask.

    Raises
    ------
    ValueError
        No such method.
    """
    if method not in _METHODS:
        raise ValueError(f"method {method!r}: not {', '.join(_METHODS)}")
    unwrapped = _METHODS[method](phase, magnitude, mask)
    return unwrapped - turns_of_parts(unwrapped, mask)


def turns_of_parts(phase: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The multiple of 2 pi nearest to the median of `phase` in each connected part of `mask`; zero outside."""
    parts, count = ndimage.label(mask.cpu().numpy())
    values, turns = phase.cpu().numpy(), np.zeros(count + 1, np.float32)
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        turns[number] = np.rint(np.median(values[box][parts[box] == number]) / (2.0 * np.pi))
    return torch.from_numpy(np.float32(2.0 * np.pi) * turns[parts]).to(phase.device)
