"""What ADMM knows of the field: the data terms."""

from __future__ import annotations

import torch

from ..field import radians_per_ppm
from ..grid import as_size, irfft, rfft
from .padded import Padded
from .splitting import RELAXATION, slabs

#: rad.
TURN = 2.0 * torch.pi
#: Turns to which strong fields are held until there is a first map to tell them from wrong turns: with more of them, a
#: wrong turn is fitted at once and stays.
START = 0.25
#: Weight of the split of the field, in units of the data term where the field is believed. A third or three times as
#: much converges slower.
DATA_RHO = 0.3


def data_term(padded: Padded, te: float, b0: float) -> DataTerm:
    """The linear data term where `te`, s, is 0, else the nonlinear one of the phase at `te` and `b0`, T."""
    scale = phase_of_one_ppm(te, b0)
    if scale == 0:
        return DataTerm(padded.field, padded.weights)
    return PhaseDataTerm(padded.field, padded.weights, scale)


def phase_of_one_ppm(te: float, b0: float) -> float:
    """`radians_per_ppm`, refused unless `te` is at least and `b0` above 0."""
    if not (te >= 0 and b0 > 0):
        raise ValueError(f"te must be at least 0 and b0 above 0, got {te} and {b0}")
    return radians_per_ppm(te, b0)


def within(off: torch.Tensor, scale: float, turns: float) -> torch.Tensor:
    """`off`, ppm, held to that many turns either way at `scale` rad/ppm; at 0 it is as it is."""
    return off.clamp(-turns * TURN / scale, turns * TURN / scale) if scale > 0 else off


def chord(off: torch.Tensor, scale: float) -> torch.Tensor:
    """How far apart the phases of two fields are, ppm, with the sign of `off`.

    ``|exp(i scale off) - 1| / scale`` up to half a turn, where it is largest, and no more beyond.
    """
    off = within(off, scale, 0.5)
    return off * torch.sinc(off * (scale / TURN))


def pull(off: torch.Tensor, scale: float) -> torch.Tensor:
    """Derivative of half the square of `chord`: like `off` where that is small, zero from half a turn on."""
    off = within(off, scale, 0.5)
    return off * torch.sinc(off * (2.0 * scale / TURN))


class DataTerm:
    """``1/2 |W (z - field)|^2`` of the modelled field z.

    Parameters
    ----------
    field
        ppm, (X, Y, Z), on the padded grid.
    weights
        W, of the same shape, zero where there is no field.
    """

    def __init__(self, field: torch.Tensor, weights: torch.Tensor) -> None:
        self.field, self.power = field, weights.square()
        self._target = self.field.clone()
        self._state = self.field.clone()

    def wanted(self) -> torch.Tensor:
        """Half spectrum of the target."""
        return rfft(self._target)

    def push(self, modelled: torch.Tensor) -> None:
        """Move the state towards the modelled field, given its half spectrum, and renew the target."""
        modelled = irfft(modelled, as_size(self._state.shape))
        for here, _ in slabs(modelled):
            state, target = self._state[here], self._target[here]
            before = torch.add(target, state).mul_(0.5)
            state.add_(modelled[here].sub_(before), alpha=RELAXATION)
            torch.sub(self._nearest(state, before, here).mul_(2.0), state, out=target)

    def misfit(self, modelled: torch.Tensor) -> float:
        """Square root of twice the term, given the half spectrum of the modelled field."""
        off = self._distance(irfft(modelled, as_size(self._state.shape)) - self.field)
        return float((self.power * off.square()).sum().sqrt())

    def _distance(self, off: torch.Tensor) -> torch.Tensor:
        return off

    def _nearest(self, state: torch.Tensor, before: torch.Tensor, here: slice) -> torch.Tensor:
        """The proximal map of `state`, whose value the last time was `before`."""
        power = self.power[here]
        return torch.addcmul(DATA_RHO * state, power, self.field[here]).div_(power + DATA_RHO)


class PhaseDataTerm(DataTerm):
    """``1/2 |W chord(z - field)|^2``: what no susceptibility explains, as a whole turn too many, does not pull.

    Parameters
    ----------
    field, weights
        As `DataTerm`, which this is for a small s.
    scale
        s, rad/ppm.
    """

    #: Newton steps of the proximal map, each from the value of the last iteration.
    _STEPS = 2

    def __init__(self, field: torch.Tensor, weights: torch.Tensor, scale: float) -> None:
        super().__init__(field, weights)
        self._state = within(field, scale, START)
        self._target = self._state.clone()
        self.scale = scale

    def _distance(self, off: torch.Tensor) -> torch.Tensor:
        return chord(off, self.scale)

    def _nearest(self, state: torch.Tensor, before: torch.Tensor, here: slice) -> torch.Tensor:
        found, power, field = before, self.power[here], self.field[here]
        for _ in range(self._STEPS):
            angle = self.scale * within(found - field, self.scale, 0.5)
            slope = power * torch.sin(angle) / self.scale + DATA_RHO * (found - state)
            # Beyond a quarter turn the cost is concave; its curvature is left out there, and the step stays downhill.
            found = found - slope / (power * torch.cos(angle).clamp_min_(0.0) + DATA_RHO)
        return found
