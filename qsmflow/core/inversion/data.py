"""What ADMM knows of the field: the data terms."""

from __future__ import annotations

import torch

from ..field import radians_per_ppm
from ..grid import as_size, irfft, rfft
from .padded import Padded
from .splitting import RELAXATION, slabs

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


def within_half_a_turn(field: torch.Tensor, scale: float) -> torch.Tensor:
    """`field`, ppm, held to half a turn either way at `scale` rad/ppm; at 0 it is as it is."""
    return field.clamp(-torch.pi / scale, torch.pi / scale) if scale > 0 else field


def chord(off: torch.Tensor, scale: float) -> torch.Tensor:
    """``|exp(i scale off) - 1| / scale``, with the sign of small `off`: how far apart the phases of two fields are."""
    return off * torch.sinc(off * (0.5 * scale / torch.pi))


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
    """``1/2 |W (exp(i s z) - exp(i s field))|^2 / s^2``: what is a whole turn of phase off costs nothing.

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
        # From a state that is a whole turn off the way back is uphill, from half a turn it is not.
        self._state = within_half_a_turn(field, scale)
        self._target = self._state.clone()
        self.scale = scale

    def _distance(self, off: torch.Tensor) -> torch.Tensor:
        return chord(off, self.scale)

    def _nearest(self, state: torch.Tensor, before: torch.Tensor, here: slice) -> torch.Tensor:
        found, power, field = before, self.power[here], self.field[here]
        for _ in range(self._STEPS):
            angle = self.scale * (found - field)
            slope = power * torch.sin(angle) / self.scale + DATA_RHO * (found - state)
            # Beyond a quarter turn the cost is concave; its curvature is left out there, and the step stays downhill.
            found = found - slope / (power * torch.cos(angle).clamp_min_(0.0) + DATA_RHO)
        return found
