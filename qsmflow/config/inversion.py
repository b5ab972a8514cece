"""Defaults of the inversions of one orientation."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import Settings, setting

from .networks import NETWORKS

#: Inversions of a single orientation, by the name that each has everywhere.
INVERSIONS = ("tkd", "tsvd", "l2", "ilsqr", "rts", "tv", "nltv", "tgv", "nltgv", "ndi", "whtv", "medi", *NETWORKS)
#: Those of them that take the field as a phase, and need its echo time and field strength.
NONLINEAR = ("nltv", "nltgv", "ndi", "whtv")
_RESCALE = "undo what truncation takes from all susceptibilities: truer means, more noise"
_WEIGHT = "weight of the penalty, ppm mm; grows with the noise"
_TOLERANCE = "relative change of an iteration at which the solver stops"
_MOST = "most iterations"


@dataclass(frozen=True)
class TKD(Settings):
    """Truncated k-space division."""

    threshold: float = setting(0.15, "dipole values nearer to zero than this are truncated", above=0, high=2 / 3)
    rescale: bool = setting(False, _RESCALE)


@dataclass(frozen=True)
class TSVD(Settings):
    """Truncated singular value decomposition."""

    threshold: float = setting(0.1, "where the dipole is nearer to zero, k-space stays empty", above=0, high=0.66)
    rescale: bool = setting(False, _RESCALE)


@dataclass(frozen=True)
class L2(Settings):
    """Closed-form inversion with a quadratic gradient penalty."""

    weight: float = setting(0.01, "regularisation weight of the gradient penalty", above=0)


@dataclass(frozen=True)
class RTS(Settings):
    """Rapid two-step inversion."""

    threshold: float = setting(0.15, "where the dipole is nearer to zero, k-space is filled", low=0, high=0.66)
    weight: float = setting(2e-3, _WEIGHT, above=0)
    steps: int = setting(6, "steps of the first part; more bring noise", low=1)
    tolerance: float = setting(0.02, _TOLERANCE, low=0)
    max_iterations: int = setting(50, _MOST, low=1)


@dataclass(frozen=True)
class TV(Settings):
    """Inversion with a penalty of total variation."""

    weight: float = setting(1.5e-4, _WEIGHT, above=0)
    tolerance: float = setting(0.02, _TOLERANCE, low=0)
    max_iterations: int = setting(50, _MOST, low=1)


@dataclass(frozen=True)
class NLTV(TV):
    """`TV` of the field as a phase."""


@dataclass(frozen=True)
class TGV(TV):
    """Inversion with a penalty of total generalised variation."""


@dataclass(frozen=True)
class NLTGV(TGV):
    """`TGV` of the field as a phase."""


@dataclass(frozen=True)
class NDI(Settings):
    """Nonlinear dipole inversion."""

    weight: float = setting(3e-3, "weight of the squared susceptibility; 0 leaves regularisation to the stop", low=0)
    tolerance: float = setting(0.05, _TOLERANCE, low=0)
    max_iterations: int = setting(30, _MOST, low=1)


@dataclass(frozen=True)
class WHTV(Settings):
    """Total-variation inversion that takes out the background that is left."""

    weight: float = setting(1.5e-4, _WEIGHT, above=0)
    harmonic_weight: float = setting(100.0, "how exactly harmonic that background is, mm^4", above=0)
    tolerance: float = setting(0.01, _TOLERANCE, low=0)
    max_iterations: int = setting(60, _MOST, low=1)


@dataclass(frozen=True)
class ILSQR(Settings):
    """Least squares, then the streaking artefacts estimated and removed."""

    threshold: float = setting(0.2, "dipole values nearer to zero than this may hold artefacts", above=0, high=2 / 3)
    tolerance: float = setting(0.03, "relative residual at which the estimate of the artefacts stops", low=0)
    max_iterations: int = setting(50, "most iterations of that estimate", low=1)


@dataclass(frozen=True)
class MEDI(Settings):
    """Nonlinear inversion whose gradient penalty spares the edges of the magnitude."""

    weight: float = setting(4e-4, "regularisation weight of the gradient penalty, ppm mm", above=0)
    edges: float = setting(0.3, "share of the magnitude's differences that count as edges", low=0, high=0.99)
    csf_weight: float = setting(0.1, "weight of the spread in the cerebrospinal fluid, where its mask is given", low=0)
    tolerance: float = setting(0.02, "relative change of a step at which the solver stops", low=0)
    max_iterations: int = setting(30, "most Gauss-Newton steps", low=1)
