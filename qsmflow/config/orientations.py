"""Defaults of what several orientations are made into."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import Settings, setting


@dataclass(frozen=True)
class Registration(Settings):
    """Rigid registration of the orientations to the reference."""

    method: str = setting(
        "auto",
        "auto takes FSL FLIRT where flirt is installed, else the embedded method",
        choices=("auto", "embedded", "flirt"),
    )


@dataclass(frozen=True)
class COSMOS(Settings):
    """Susceptibility from several orientations."""

    margin: float = setting(4.0, "how far outside the masks sources may lie, mm", low=0)
    tolerance: float = setting(0.01, "relative residual at which the least-squares solver stops", low=0)
    max_iterations: int = setting(50, "most iterations of the least-squares solver", low=1)


@dataclass(frozen=True)
class OrientationWeights(Settings):
    """What each orientation counts in COSMOS."""

    orientation_weights: str = setting(
        "equal",
        "equal; or residual: inverse to how far its field is from that of a first, equally weighted map",
        choices=("equal", "residual"),
    )
