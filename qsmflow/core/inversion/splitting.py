"""The alternating direction method of multipliers (ADMM), which total variation and its relatives share.

A cost ``sum_i f_i(A_i u)`` is split: each term keeps a state s for its own image of the unknowns, and an iteration

1. seeks the unknowns u whose images are, in least squares, the targets ``2 prox(s) - s`` of all terms, by a division in
   k-space, and
2. moves each state, ``s += relaxation (A u - prox(s))``.

``prox(s)`` minimises ``f(z) + rho/2 |z - s|^2`` voxel by voxel. A term stores its state alone, and works through the
grid in slabs that stay in the processor's cache: without them the arithmetic costs more than the FFTs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch

from ..grid import as_size
from ..solve import Norms, Progress

#: Above 1, over-relaxation; converges for any value below 2, and is fastest somewhat below it.
RELAXATION = 1.6
#: Voxels of a slab on a CPU, a few of which fit its cache.
_SLAB = 2**17

#: A range of planes along the first axis, and the range one plane on; periodic, so the last plane is a slab of its own.
Slab = tuple[slice, slice]


def slabs(volume: torch.Tensor) -> Iterator[Slab]:
    """Slabs of the last three axes of `volume`."""
    planes, *rest = as_size(volume.shape)
    thick = planes if volume.is_cuda else max(1, _SLAB // (rest[0] * rest[1]))
    for start in range(0, planes - 1, thick):
        stop = min(start + thick, planes - 1)
        yield slice(start, stop), slice(start + 1, stop + 1)
    yield slice(planes - 1, planes), slice(0, 1)


def difference(volume: torch.Tensor, axis: int, slab: Slab) -> torch.Tensor:
    """Forward difference of `volume`, (X, Y, Z), in a slab; periodic, not divided by the voxel size."""
    here, after = slab
    return (volume[after] if axis == 0 else torch.roll(volume[here], -1, axis)) - volume[here]


def add_adjoint(total: torch.Tensor, values: torch.Tensor, axis: int, slab: Slab) -> None:
    """Add the adjoint of `difference`, applied to the `values` of a slab, to `total`."""
    here, after = slab
    total[here] -= values
    if axis == 0:
        total[after] += values
    else:
        total[here] += torch.roll(values, 1, axis)


def shrink(state: torch.Tensor, image: torch.Tensor, threshold: float) -> torch.Tensor:
    """Move the state of a term ``weight |A u|_1`` in place, given ``A u``, and return its target.

    Parameters
    ----------
    state
        Any shape.
    image
        ``A u``; is overwritten.
    threshold
        weight / rho.
    """
    soft = torch.nn.functional.softshrink
    state.add_(image.sub_(soft(state, threshold)), alpha=RELAXATION)
    return soft(state, threshold).mul_(2.0).sub_(state)


class Data(Protocol):
    """What is known of the field of the unknowns."""

    def wanted(self) -> torch.Tensor:
        """Half spectrum of its target."""
        ...

    def push(self, modelled: torch.Tensor) -> None:
        """Move the state, given the half spectrum of the modelled field."""
        ...

    def misfit(self, modelled: torch.Tensor) -> float:
        """Norm of what the half spectrum of the modelled field leaves of the data."""
        ...


class Penalty(Protocol):
    """The terms of the unknowns other than the data, and the division in k-space."""

    def solve(self, wanted: torch.Tensor) -> torch.Tensor:
        """Half spectra of the unknowns, for the half spectrum of the target of the data."""
        ...

    def model(self, unknowns: torch.Tensor) -> torch.Tensor:
        """Half spectrum of the field of the unknowns."""
        ...

    def push(self, unknowns: torch.Tensor) -> torch.Tensor:
        """Move the states; returns the susceptibility in image space."""
        ...

    def size(self, unknowns: torch.Tensor) -> float:
        """The penalty of half spectra, without its weight."""
        ...


def admm(
    data: Data,
    penalty: Penalty,
    *,
    tolerance: float,
    max_iterations: int,
    progress: Progress | None,
    norms: Norms | None,
) -> tuple[torch.Tensor, list[float]]:
    """Minimise the sum of both; stops when an iteration changes the susceptibility by a share below `tolerance`.

    Returns
    -------
    chi, changes
        Susceptibility on the padded grid; and the relative change of each iteration, the norm of the difference over
        that of the new map.
    """
    chi = torch.zeros(())
    changes: list[float] = []
    while len(changes) < max_iterations and (not changes or changes[-1] > tolerance):
        unknowns = penalty.solve(data.wanted())
        data.push(penalty.model(unknowns))
        before, chi = chi, penalty.push(unknowns)
        size = float(chi.norm())
        changes.append(float((chi - before).norm()) / size if size > 0 else 0.0)
        if progress is not None:
            progress(len(changes), changes[-1])
    if norms is not None:
        norms(data.misfit(penalty.model(unknowns)), penalty.size(unknowns))
    return chi, changes
