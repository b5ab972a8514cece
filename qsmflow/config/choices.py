"""Defaults of what every inversion can be told: its zero, its weight, its passes."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import Settings, setting


@dataclass(frozen=True)
class Reference(Settings):
    """The zero of every susceptibility map."""

    reference: str = setting(
        "none",
        "where the mean becomes zero: brain, csf (supplied or found by its R2*), a supplied mask; none: as it comes",
        choices=("none", "brain", "csf", "mask"),
    )


@dataclass(frozen=True)
class WeightChoice(Settings):
    """How the weight of a regularised inversion comes about."""

    choose_weight: str = setting(
        "none",
        "none: the weight as it is set; else by 9 inversions, from a hundredth to a hundred times that: "
        "where the map changes least with the weight (quasioptimality), the inflection point of the L-curve, "
        "or where what the map leaves of the field is most like white noise (whiteness); "
        "tkd, tsvd and ilsqr have a threshold and no weight, and it stays as it is set",
        choices=("none", "quasioptimality", "lcurve", "whiteness"),
    )


@dataclass(frozen=True)
class TwoPass(Settings):
    """Strong sources first, then the rest."""

    two_pass: float = setting(
        0.0, "sources stronger than this, ppm, are inverted first and their field taken out; 0: one pass", low=0
    )
