"""Defaults of the way from k-space to one image."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import ConfigError, Settings, setting


@dataclass(frozen=True)
class GRAPPA(Settings):
    """Missing k-space samples from their neighbours in all coils."""

    kernel: int = setting(
        7,
        "neighbourhood across the readout, samples, odd; grows in proportion above an acceleration of two",
        low=3,
    )
    readout_kernel: int = setting(3, "neighbourhood along the readout, samples, odd", low=1)
    weight: float = setting(0.01, "regularisation, as a share of the mean power of the calibration samples", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kernel", "readout_kernel"):
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"{name}: {getattr(self, name)} is even; it must have a sample in its middle")


@dataclass(frozen=True)
class ESPIRiT(Settings):
    """Coil sensitivities from the calibration region of k-space."""

    kernel: int = setting(6, "size of the patches of k-space, samples", low=2, high=12)
    calibration: int = setting(24, "most samples of the centre to use along each axis", low=6)
    threshold: float = setting(
        0.01, "singular values of the calibration matrix below this share of the largest are noise", low=0, high=1
    )
    sets: int = setting(1, "map sets; more than one where the head is larger than the field of view", low=1, high=4)
    crop: float = setting(0.8, "maps are zero where their eigenvalue is below this", low=0, high=1)
    soft: bool = setting(True, "fade the maps between crop and one instead of a step")
    iterations: int = setting(3, "subspace iterations from each decomposed voxel to its neighbours", low=1)


@dataclass(frozen=True)
class CoilCombine(Settings):
    """One image from those of the coils."""

    method: str = setting(
        "espirit",
        "sensitivities by ESPIRiT, by the local covariance of the coils (adaptive), or by two echoes' phase (offsets)",
        choices=("espirit", "adaptive", "offsets"),
    )
    rss: bool = setting(False, "magnitude by root sum of squares of the coils, instead of that of the combination")
    block: int = setting(5, "edge of the block over which adaptive takes the covariance, voxels, odd", low=1)
    smoothing: float = setting(5.0, "SD of the Gaussian that smooths what offsets finds, mm", low=0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block % 2 == 0:
            raise ConfigError(f"block: {self.block} is even; it must have a voxel in its middle")
