"""Defaults of the background removals."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import ConfigError, Settings, setting

#: Background removals, by name, and the stages that each is made of; a stage works in the mask that the last one left.
BACKGROUNDS = {
    "vsharp": ("vsharp",),
    "resharp": ("resharp",),
    "lbv": ("lbv",),
    "pdf": ("pdf",),
    "ismv": ("ismv",),
    "lbv_vsharp": ("lbv", "vsharp"),
}


@dataclass(frozen=True)
class VSharp(Settings):
    """Background removal by V-SHARP."""

    max_radius: float = setting(12.0, "largest sphere, mm", low=0, high=100)
    min_radius: float = setting(1.0, "smallest sphere, mm, at least one voxel; the mask is eroded by it", low=0)
    deconvolution: str = setting(
        "fit",
        "fit: sources in the mask, under the sphere of each voxel; inverse: the largest sphere's, as published",
        choices=("fit", "inverse"),
    )
    iterations: int = setting(15, "iterations of the fit", low=1)
    block: float = setting(
        2.0,
        "sides of the blocks of the fit, mm, a sixth of max_radius at most; at the voxel size it is five times slower, "
        "and a little better at the rim of the mask",
        above=0,
    )
    threshold: float = setting(0.05, "truncation of the inverse", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_radius < self.min_radius:
            raise ConfigError(f"max_radius: {self.max_radius:g} is below min_radius, {self.min_radius:g}")


@dataclass(frozen=True)
class RESHARP(Settings):
    """Background removal by RESHARP."""

    radius: float = setting(6.0, "sphere, mm, at least one voxel; the mask is eroded by it", low=0, high=100)
    weight: float = setting(1e-3, "regularisation weight of the local field", low=0)
    tolerance: float = setting(1e-3, "relative residual at which the solver stops", low=0)
    max_iterations: int = setting(50, "most iterations of the solver", low=1)


@dataclass(frozen=True)
class LBV(Settings):
    """Background removal by Laplacian boundary values."""

    peel: float = setting(2.0, "erosion of the mask before the values on its surface are taken, mm", low=0)
    tolerance: float = setting(1e-4, "relative residual at which the solver stops", low=0)
    max_iterations: int = setting(30, "most iterations of the solver", low=1)


@dataclass(frozen=True)
class PDF(Settings):
    """Background removal by projection onto dipole fields."""

    tolerance: float = setting(5e-4, "relative residual at which the solver stops", low=0)
    max_iterations: int = setting(100, "most iterations of the solver", low=1)


@dataclass(frozen=True)
class ISMV(Settings):
    """Background removal by iterated spherical means."""

    radius: float = setting(4.0, "sphere, mm, at least one voxel; the mask is eroded by it", low=0, high=100)
    tolerance: float = setting(1e-3, "relative residual at which the solver stops", low=0)
    max_iterations: int = setting(100, "most iterations of the solver", low=1)
