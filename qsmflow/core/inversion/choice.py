"""The weight of a penalty, chosen on the data themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from ..solve import Norms

#: Decades on either side of the first guess.
REACH = 2.0
#: Weights that are tried, evenly spaced in the logarithm: two a decade.
COUNT = 9


@dataclass(frozen=True)
class Choice:
    """What a method gives at several weights, the smallest first, and the one of them that was chosen.

    Attributes
    ----------
    weights
        As many as were tried.
    misfits, penalties
        The norm of the misfit and the penalty without its weight, of each: the L-curve.
    changes
        Norm of the difference of each map to the next, ppm: one less than weights.
    structures
        What `structure` says of each.
    chosen
        None where the curve has no such point within the weights.
    """

    weights: tuple[float, ...]
    misfits: tuple[float, ...]
    penalties: tuple[float, ...]
    changes: tuple[float, ...]
    structures: tuple[float, ...]
    chosen: float | None

    @property
    def at_edge(self) -> bool:
        """Whether a weight was chosen beyond the last but one, where the curve is known on one side alone."""
        return self.chosen is not None and not self.weights[1] <= self.chosen <= self.weights[-2]


def choose_weight(
    solve: Callable[[float, Norms], torch.Tensor],
    guess: float,
    method: str,
    structure: Callable[[torch.Tensor], float],
) -> Choice:
    """Try weights two decades around a guess, and choose one.

    Parameters
    ----------
    solve
        Inverts with the weight it is given, tells the norms of its solution, and returns it.
    guess
        The middle of the weights.
    method
        ``quasioptimality``: where the map changes least from weight to weight, with which noise falls and blur grows.
        ``lcurve``: the inflection point of the L-curve, in logarithms.
        ``whiteness``: where what the map leaves of the field is most like white noise.
    structure
        How much structure a map leaves in the field, above 0: see `qsmflow.core.inversion.structure`.

    Returns
    -------
    Choice
        After 9 inversions; holds two maps at a time.

    Raises
    ------
    ValueError
        The guess is not positive, or the method unknown.

    References
    ----------
    Tikhonov and Glasko, USSR Comput Math Math Phys 1965; Bauer and Lukas, Math Comput Simul 2011 (quasi-optimality);
    Milovic et al., Magn Reson Med 2021 (the inflection point, where for QSM the error is smaller than at the corner of
    the L-curve); Almeida and Figueiredo, IEEE Trans Image Process 2013 (whiteness).
    """
    if not guess > 0:
        raise ValueError(f"the weight to look around for a better one must be above 0, got {guess:g}")
    if method not in ("quasioptimality", "lcurve", "whiteness"):
        raise ValueError(f"unknown method {method!r} to choose a weight")
    weights = tuple(guess * 10.0 ** (REACH * (2.0 * i / (COUNT - 1) - 1.0)) for i in range(COUNT))
    told: list[tuple[float, float]] = []
    changes: list[float] = []
    structures: list[float] = []
    before: torch.Tensor | None = None
    for weight in weights:
        chi = solve(weight, lambda misfit, penalty: told.append((misfit, penalty)))
        if before is not None:
            changes.append(float((chi - before).norm()))
        structures.append(structure(chi))
        before = chi
    misfits, penalties = (tuple(norms) for norms in zip(*told, strict=True))
    if method == "whiteness":
        place = _least(structures)
    else:  # what lies between two weights belongs to their middle
        place = _inflection(misfits, penalties) if method == "lcurve" else _least(changes)
        place = None if place is None else place + 0.5
    chosen = None if place is None else weights[0] * (weights[1] / weights[0]) ** place
    return Choice(weights, misfits, penalties, tuple(changes), tuple(structures), chosen)


def _inflection(misfits: Sequence[float], penalties: Sequence[float]) -> float | None:
    """Between which weights, counted from the first, the penalty falls slowest with the misfit, in logarithms."""
    if min(*misfits, *penalties) <= 0:
        return None
    slopes = [
        math.log(before / after) / math.log(more / less) if more > less else math.inf
        for (less, more), (before, after) in zip(pairwise(misfits), pairwise(penalties), strict=True)
    ]
    return _lowest(slopes)


def _least(values: Sequence[float]) -> float | None:
    """Where, counted from the first, `values` are least, between them and in logarithms."""
    if min(values) <= 0:
        return None
    return _lowest([math.log(value) for value in values])


def _lowest(values: Sequence[float]) -> float | None:
    """The lowest point of a parabola through the lowest of `values` and its finite neighbours.

    Counted from the first. The lowest has a higher one on both sides: towards either end of the weights maps cease to
    change. None where there is no such value.
    """
    valleys = [i for i in range(1, len(values) - 1) if values[i - 1] > values[i] < values[i + 1]]
    if not valleys:
        return None
    least = min(valleys, key=values.__getitem__)
    places = [i for i in (least - 1, least, least + 1) if math.isfinite(values[i])]
    x = torch.tensor([float(i - least) for i in places], dtype=torch.float64)
    y = torch.tensor([values[i] for i in places], dtype=torch.float64)
    shift = 0.0
    if len(places) > 2:
        _, tilt, bend = torch.linalg.lstsq(torch.stack([torch.ones_like(x), x, x**2], 1), y[:, None]).solution[:, 0]
        if bend > 0:
            shift = float((-0.5 * tilt / bend).clamp(x[0], x[-1]))
    return least + shift
