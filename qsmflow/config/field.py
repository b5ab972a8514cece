"""Defaults of the way from stored phase to the total field."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import Settings, setting


@dataclass(frozen=True)
class ScalePhase(Settings):
    """Stored phase to radians."""

    sign: str = setting(
        "plus",
        "sign of the phase: plus where a paramagnetic source raises it, minus where the scanner conjugates",
        choices=("plus", "minus"),
    )
    nonfinite: str = setting(
        "refuse",
        "NaN and Inf voxels: refuse the input, or set them to zero and name their number",
        choices=("refuse", "zero"),
    )


@dataclass(frozen=True)
class Unwrap(Settings):
    """Phase unwrapping."""

    method: str = setting(
        "romeo",
        "romeo, best_path (scikit-image) and segue find whole turns; laplacian is smooth, and leaves a background out",
        choices=("romeo", "best_path", "segue", "laplacian"),
    )
    echoes: str = setting(
        "template",
        "template: the first echo is unwrapped in space and the others after it in time; individual: each in space",
        choices=("template", "individual"),
    )
    bipolar: str = setting(
        "auto",
        "remove the phase ramp between odd and even echoes of a bipolar readout: auto where three echoes show one",
        choices=("auto", "yes", "no"),
    )
    remove_offset: bool = setting(
        True, "estimate the receiver phase offset from two echoes (MCPC-3D-S) and remove it first"
    )


@dataclass(frozen=True)
class Field(Settings):
    """Total field from the unwrapped echoes."""

    method: str = setting(
        "weighted",
        "weighted: line through the unwrapped phases; nonlinear: fit of the complex signal, which forgives wrong "
        "multiples of 2 pi in the third and later echoes",
        choices=("weighted", "nonlinear"),
    )
    max_iterations: int = setting(20, "most iterations of the nonlinear fit", low=1)
    tolerance: float = setting(1e-4, "relative change of the phase at which the nonlinear fit stops", low=0)
