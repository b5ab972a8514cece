"""Defaults of the masks."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import Settings, setting


@dataclass(frozen=True)
class BrainMask(Settings):
    """Brain extraction from the magnitude."""

    method: str = setting(
        "auto",
        "auto takes FSL BET where bet is installed, else the embedded method",
        choices=("auto", "embedded", "bet"),
    )
    bet_fraction: float = setting(0.5, "fractional intensity threshold of FSL BET; smaller keeps more", low=0, high=1)


@dataclass(frozen=True)
class QualityMask(Settings):
    """Phase-quality masking on top of the brain mask."""

    threshold: float = setting(
        0.3, "voxels whose ROMEO quality (0 bad, 1 good) is below this leave the mask; 0 keeps all", low=0, high=1
    )
    fill_holes: bool = setting(True, "close the holes that the threshold tore inside the brain")


@dataclass(frozen=True)
class CSFMask(Settings):
    """The fluid of the ventricles, where it is the reference and no mask of it is supplied."""

    threshold: float = setting(5.0, "R2* below which a voxel may be fluid, 1/s", low=0.1)
    radius: float = setting(30.0, "how far from the middle of the brain fluid is looked for, mm", low=0.1)
    smoothing: float = setting(0.6, "SD of the Gaussian that smooths R2* first, mm; 0 for none", low=0)
