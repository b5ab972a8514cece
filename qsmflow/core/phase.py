"""Stored phase to radians."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # only methods of the tensor are used: those who ask for the scaling alone import no torch
    import torch


class PhaseScaling(NamedTuple):
    """``radians = slope * stored + intercept``, and the convention that says so."""

    slope: float
    intercept: float
    convention: str


class _Convention(NamedTuple):
    name: str
    low: float
    high: float
    period: float
    intercept: float
    #: Share of the range that the data must span to be known by it.
    span: float
    tolerance: float


#: What BIDS lets ``Units`` of a phase image say; the first says nothing.
PHASE_UNITS = ("arbitrary", "rad")

_TURN = 2.0 * math.pi
#: In the order in which they are tried: the narrower range first, so that data which fills it is not taken for less.
_CONVENTIONS = (
    _Convention("radians, -pi to pi", -math.pi, math.pi, _TURN, 0.0, 0.5, 0.03),
    _Convention("radians, 0 to 2 pi", 0.0, _TURN, _TURN, 0.0, 0.5, 0.03),
    _Convention("integers, 0 to 4095", 0.0, 4095.0, 4096.0, -math.pi, 0.9, 1.0),
    _Convention("integers, -2048 to 2047", -2048.0, 2047.0, 4096.0, 0.0, 0.9, 1.0),
    _Convention("milliradians, -1000 pi to 1000 pi", -1e3 * math.pi, 1e3 * math.pi, 1e3 * _TURN, 0.0, 0.9, 5.0),
    _Convention("milliradians, 0 to 2000 pi", 0.0, 1e3 * _TURN, 1e3 * _TURN, 0.0, 0.9, 5.0),
    _Convention("integers, -4096 to 4095", -4096.0, 4095.0, 8192.0, 0.0, 0.9, 1.0),
)
_LEAST_SPAN = 1e-3


def phase_scaling(low: float, high: float, units: str | None = None) -> PhaseScaling:
    """Tell from the extremes of a phase image how it is stored.

    ================================  ==============================================  =====================
    range of the stored values        who writes it                                   radians
    ================================  ==============================================  =====================
    -pi to pi, or 0 to 2 pi           floating point, already radians                 as they are
    0 to 4095 (or 4096)               Siemens, DICOM values                           2 pi s / 4096 - pi
    -2048 to 2047                     12 bits, signed                                 2 pi s / 4096
    -4096 to 4094 (4095, 4096)        Siemens, slope 2 and intercept -4096 applied    pi s / 4096
    -3142 to 3142, or 0 to 6283       GE and Philips, milliradians                    s / 1000
    ================================  ==============================================  =====================

    Scaled data must span 0.9 of its range, undeclared radians 0.5 of theirs: anything else could be several things.

    Parameters
    ----------
    low, high
        Extremes of the finite voxels over all echoes of a series, after the scale factors of the NIfTI header.
    units
        ``Units`` of the BIDS sidecar: ``rad`` takes the values for radians whatever they span, and only for that;
        ``arbitrary`` or None leave it to the range.

    Raises
    ------
    ValueError
        `units` are none of these, or the range cannot be that of a phase, or not for certain.

    References
    ----------
    BIDS 1.10, anatomy imaging data: ``Units`` of phase images is ``rad`` or ``arbitrary``.
    """
    if units is not None and units not in PHASE_UNITS:
        raise ValueError(f"units must be one of {', '.join(PHASE_UNITS)}, got {units!r}")
    if not high - low > _LEAST_SPAN:
        raise ValueError(f"values from {low:.5g} to {high:.5g} are constant, not a phase")
    declared = units == "rad"
    for name, least, most, period, intercept, span, tolerance in _CONVENTIONS[: 2 if declared else None]:
        inside = least - tolerance <= low and high <= most + tolerance
        if inside and (declared or high - low >= span * (most - least)):
            return PhaseScaling(_TURN / period, intercept, name)
    told = "outside one turn although the sidecar says rad" if declared else "no known range of phase"
    raise ValueError(f"values from {low:.5g} to {high:.5g}, {told}")


def phase_to_radians(
    stored: torch.Tensor, low: float | None = None, high: float | None = None, *, units: str | None = None
) -> tuple[torch.Tensor, str]:
    """Bring a phase image to radians; it is not wrapped again.

    Parameters
    ----------
    stored
        Values after the scale factors of the NIfTI header, (..., X, Y, Z), all echoes of a series together.
    low, high
        Extremes of the finite voxels, where they are already known.
    units
        ``Units`` of the sidecar; see `phase_scaling`.

    Returns
    -------
    torch.Tensor
        float32, rad, same shape; what was NaN or Inf still is.
    str
        The convention that was taken.

    Raises
    ------
    ValueError
        See `phase_scaling`; or no voxel is finite.
    """
    if low is None or high is None:
        finite = stored[stored.isfinite()]
        if finite.numel() == 0:
            raise ValueError("no voxel is finite")
        low, high = float(finite.min()), float(finite.max())
    slope, intercept, convention = phase_scaling(low, high, units)
    return stored.float() * slope + intercept, convention
