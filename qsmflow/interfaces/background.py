"""Background removal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from nipype.interfaces.base import File, isdefined

from qsmflow import config
from qsmflow.core.background import ismv, lbv, pdf, resharp, vsharp
from qsmflow.engines.resources import Resources
from qsmflow.settings import Settings

from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .direction import DirectedInputSpec, direction, rounded
from .doubts import TOTAL, of_field
from .volume import Volume, load, load_magnitude, load_mask, save


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
    quantity = "residual"
    #: What removes it.
    function: ClassVar[Callable[..., tuple[torch.Tensor, torch.Tensor]]]
    #: The settings of the method.
    group: ClassVar[type[Settings]]

    def _given(self, volume: Volume, mask: torch.Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the method takes beside field, mask and settings; and what of it is worth telling."""
        return {}, {}

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load(self.inputs.in_file)
        mask = load_mask(self.inputs.mask, volume)
        self._warnings += of_field(volume, mask, TOTAL)
        given, measured = self._given(volume, mask)
        local, eroded = type(self).function(
            volume.data,
            mask,
            volume.voxel_size,
            progress=self.tell,
            **given,
            **self.settings(self.group),
        )
        self._results["out_file"] = save(volume.with_data(local), cwd / "local.nii")
        self._results["out_mask"] = save(volume.with_data(eroded), cwd / "mask.nii")
        before, after = int(mask.sum()), int(eroded.sum())
        erosion = {"MaskVoxelsBefore": before, "MaskVoxels": after, "ShareEroded": round(1 - after / before, 4)}
        return {**measured, **self.iterated(), **erosion}


class _Directed(_Removal):
    """A removal that knows where B0 points."""

    def _given(self, volume: Volume, mask: torch.Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        b0_dir = direction(self.inputs, volume)
        return {"b0_dir": b0_dir}, {"B0Direction": rounded(b0_dir)}


@with_settings(config.VSharp)
class VSHARPInputSpec(_RemovalInputSpec, DirectedInputSpec):
    """Inputs of `VSHARP`."""


class VSHARP(_Directed):
    """Local field by the spherical mean value property with spheres of varying radius."""

    stage = "vsharp"
    method = "V-SHARP"
    resources = Resources(volumes=24, cpus=2, minutes=0.25)
    input_spec = VSHARPInputSpec
    function = staticmethod(vsharp)
    group = config.VSharp


@with_settings(config.RESHARP)
class RESHARPInputSpec(_RemovalInputSpec):
    """Inputs of `RESHARP`."""


class RESHARP(_Removal):
    """Local field by the spherical mean value property, by regularised least squares."""

    stage = "resharp"
    method = "RESHARP"
    resources = Resources(volumes=16, cpus=2, minutes=2)
    input_spec = RESHARPInputSpec
    function = staticmethod(resharp)
    group = config.RESHARP


@with_settings(config.LBV)
class LBVInputSpec(_RemovalInputSpec):
    """Inputs of `LBV`."""


class LBV(_Removal):
    """Local field that vanishes on the surface of the mask, by multigrid."""

    stage = "lbv"
    method = "Laplacian boundary values"
    resources = Resources(volumes=18, cpus=2, minutes=2)
    input_spec = LBVInputSpec
    function = staticmethod(lbv)
    group = config.LBV


@with_settings(config.PDF)
class PDFInputSpec(_RemovalInputSpec, DirectedInputSpec):
    """Inputs of `PDF`."""

    magnitude = File(exists=True, desc="magnitude: the weights; without it all voxels weigh the same")


class PDF(_Directed):
    """Local field as what sources outside the mask cannot make."""

    stage = "pdf"
    method = "projection onto dipole fields"
    resources = Resources(volumes=24, cpus=2, minutes=6)
    input_spec = PDFInputSpec
    function = staticmethod(pdf)
    group = config.PDF

    def _given(self, volume: Volume, mask: torch.Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        given, measured = super()._given(volume, mask)
        weights = load_magnitude(self.inputs.magnitude, volume, mask) if isdefined(self.inputs.magnitude) else None
        return {**given, "weights": weights}, measured


@with_settings(config.ISMV)
class ISMVInputSpec(_RemovalInputSpec):
    """Inputs of `ISMV`."""


class ISMV(_Removal):
    """Local field over a background that equals its own spherical mean."""

    stage = "ismv"
    method = "iterated spherical means (iSMV)"
    resources = Resources(volumes=16, cpus=2, minutes=2)
    input_spec = ISMVInputSpec
    function = staticmethod(ismv)
    group = config.ISMV
