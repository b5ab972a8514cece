"""Background removal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, isdefined

from qsmflow import config
from qsmflow.core.background import ismv, lbv, pdf, resharp, vsharp
from qsmflow.engines.resources import Resources

from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .direction import DirectedInputSpec, direction, rounded
from .volume import Volume, load, load_like, load_mask, save

#: Local field, and where it is valid.
Removed = tuple[torch.Tensor, torch.Tensor]


class _RemovalInputSpec(StageInputSpec):
    in_file = File(exists=True, mandatory=True, desc="total field, ppm")
    mask = File(exists=True, mandatory=True, desc="brain mask")


class RemovalOutputSpec(StageOutputSpec):
    """Outputs of every background removal."""

    out_file = File(exists=True, desc="local field, ppm")
    out_mask = File(exists=True, desc="where the local field is valid: the mask, eroded")


class _Removal(StageInterface):
    """Load field and mask, remove the background, save both."""

    output_spec = RemovalOutputSpec

    def _remove(self, volume: Volume, mask: torch.Tensor, measured: dict[str, Any]) -> Removed:
        """Do it, and put what is worth telling beside the erosion into `measured`."""
        raise NotImplementedError

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load(self.inputs.in_file)
        mask = load_mask(self.inputs.mask, volume)
        measured: dict[str, Any] = {}
        local, eroded = self._remove(volume, mask, measured)
        self._results["out_file"] = save(volume.with_data(local), cwd / "local.nii")
        self._results["out_mask"] = save(volume.with_data(eroded), cwd / "mask.nii")
        before, after = int(mask.sum()), int(eroded.sum())
        erosion = {"MaskVoxelsBefore": before, "MaskVoxels": after, "ShareEroded": round(1 - after / before, 4)}
        return {**measured, **erosion}


class _Iterations:
    """Hears of the iterations of a solver, and keeps the last in `measured`."""

    def __init__(self, measured: dict[str, Any]) -> None:
        self.measured = measured

    def __call__(self, number: int, residual: float) -> None:
        self.measured.update(Iterations=number, RelativeResidual=float(f"{residual:.2e}"))


@with_settings(config.VSharp)
class VSHARPInputSpec(_RemovalInputSpec, DirectedInputSpec):
    """Inputs of `VSHARP`."""


class VSHARP(_Removal):
    """Local field by the spherical mean value property with spheres of varying radius."""

    stage = "vsharp"
    method = "V-SHARP"
    resources = Resources(volumes=24, cpus=2, minutes=2)
    input_spec = VSHARPInputSpec

    def _remove(self, volume: Volume, mask: torch.Tensor, measured: dict[str, Any]) -> Removed:
        b0_dir = direction(self.inputs, volume)
        measured["B0Direction"] = rounded(b0_dir)
        return vsharp(
            volume.data,
            mask,
            volume.voxel_size,
            b0_dir,
            progress=_Iterations(measured),
            **self.settings(config.VSharp),
        )


@with_settings(config.RESHARP)
class RESHARPInputSpec(_RemovalInputSpec):
    """Inputs of `RESHARP`."""


class RESHARP(_Removal):
    """Local field by the spherical mean value property, by regularised least squares."""

    stage = "resharp"
    method = "RESHARP"
    resources = Resources(volumes=16, cpus=2, minutes=2)
    input_spec = RESHARPInputSpec

    def _remove(self, volume: Volume, mask: torch.Tensor, measured: dict[str, Any]) -> Removed:
        settings = self.settings(config.RESHARP)
        return resharp(volume.data, mask, volume.voxel_size, progress=_Iterations(measured), **settings)


@with_settings(config.LBV)
class LBVInputSpec(_RemovalInputSpec):
    """Inputs of `LBV`."""


class LBV(_Removal):
    """Local field that vanishes on the surface of the mask, by multigrid."""

    stage = "lbv"
    method = "Laplacian boundary values"
    resources = Resources(volumes=18, cpus=2, minutes=2)
    input_spec = LBVInputSpec

    def _remove(self, volume: Volume, mask: torch.Tensor, measured: dict[str, Any]) -> Removed:
        settings = self.settings(config.LBV)
        return lbv(volume.data, mask, volume.voxel_size, progress=_Iterations(measured), **settings)


@with_settings(config.PDF)
class PDFInputSpec(_RemovalInputSpec, DirectedInputSpec):
    """Inputs of `PDF`."""

    magnitude = File(exists=True, desc="magnitude: the weights; without it all voxels weigh the same")


class PDF(_Removal):
    """Local field as what sources outside the mask cannot make."""

    stage = "pdf"
    method = "projection onto dipole fields"
    resources = Resources(volumes=24, cpus=2, minutes=6)
    input_spec = PDFInputSpec

    def _remove(self, volume: Volume, mask: torch.Tensor, measured: dict[str, Any]) -> Removed:
        b0_dir = direction(self.inputs, volume)
        measured["B0Direction"] = rounded(b0_dir)
        return pdf(
            volume.data,
            mask,
            volume.voxel_size,
            b0_dir,
            weights=load_like(self.inputs.magnitude, volume).data if isdefined(self.inputs.magnitude) else None,
            progress=_Iterations(measured),
            **self.settings(config.PDF),
        )


@with_settings(config.ISMV)
class ISMVInputSpec(_RemovalInputSpec):
    """Inputs of `ISMV`."""


class ISMV(_Removal):
    """Local field over a background that equals its own spherical mean."""

    stage = "ismv"
    method = "iterated spherical means (iSMV)"
    resources = Resources(volumes=16, cpus=2, minutes=2)
    input_spec = ISMVInputSpec

    def _remove(self, volume: Volume, mask: torch.Tensor, measured: dict[str, Any]) -> Removed:
        settings = self.settings(config.ISMV)
        return ismv(volume.data, mask, volume.voxel_size, progress=_Iterations(measured), **settings)
