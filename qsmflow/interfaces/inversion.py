"""From the local field of one orientation to susceptibility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, isdefined, traits

from qsmflow import config
from qsmflow.core.inversion import l2, medi, tkd
from qsmflow.engines.resources import Resources

from .base import StageInterface, StageOutputSpec, with_settings
from .direction import DirectedInputSpec, Direction, direction, rounded
from .reference import ReferencedInputSpec, referenced
from .volume import Volume, load, save


class _InversionInputSpec(DirectedInputSpec, ReferencedInputSpec):
    in_file = File(exists=True, mandatory=True, desc="local field, ppm")
    mask = File(exists=True, mandatory=True, desc="where the local field is valid")


class InversionOutputSpec(StageOutputSpec):
    """Outputs of every inversion."""

    out_file = File(exists=True, desc="susceptibility, ppm")


class _Inversion(StageInterface):
    """Load field and mask, invert, save."""

    output_spec = InversionOutputSpec

    def _invert(self, volume: Volume, mask: torch.Tensor, b0_dir: Direction) -> tuple[torch.Tensor, dict[str, Any]]:
        """Susceptibility, ppm, and what was measured on the way."""
        raise NotImplementedError

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume, mask = load(self.inputs.in_file), load(self.inputs.mask).mask
        b0_dir = direction(self.inputs, volume)
        chi, measured = self._invert(volume, mask, b0_dir)
        chi, zero = referenced(self.inputs, chi, mask)
        self._results["out_file"] = save(volume.with_data(chi), cwd / f"{self.stage}.nii")
        return {"B0Direction": rounded(b0_dir), **measured, **zero}


@with_settings(config.TKD)
class TKDInputSpec(_InversionInputSpec):
    """Inputs of `TKD`."""


class TKD(_Inversion):
    """Truncated k-space division."""

    stage = "tkd"
    method = "truncated k-space division"
    resources = Resources(volumes=28, cpus=2)
    input_spec = TKDInputSpec

    def _invert(self, volume: Volume, mask: torch.Tensor, b0_dir: Direction) -> tuple[torch.Tensor, dict[str, Any]]:
        return tkd(volume.data, mask, volume.voxel_size, b0_dir, **self.settings(config.TKD)), {}


@with_settings(config.L2)
class L2InputSpec(_InversionInputSpec):
    """Inputs of `L2`."""


class L2(_Inversion):
    """Closed-form inversion with a quadratic gradient penalty."""

    stage = "l2"
    method = "closed-form L2-regularised inversion"
    resources = Resources(volumes=28, cpus=2)
    input_spec = L2InputSpec

    def _invert(self, volume: Volume, mask: torch.Tensor, b0_dir: Direction) -> tuple[torch.Tensor, dict[str, Any]]:
        return l2(volume.data, mask, volume.voxel_size, b0_dir, **self.settings(config.L2)), {}


@with_settings(config.MEDI)
class MEDIInputSpec(_InversionInputSpec):
    """Inputs of `MEDI`."""

    magnitude = File(exists=True, mandatory=True, desc="magnitude: the noise weights and the edges")
    te = traits.Float(
        0.0, usedefault=True, parameter=True, desc="echo time at which the field is a phase, s; 0: linear data term"
    )
    b0 = traits.Float(3.0, usedefault=True, parameter=True, desc="field strength, T")


class MEDI(_Inversion):
    """Nonlinear inversion whose gradient penalty spares the edges of the magnitude; with `csf`, MEDI+0."""

    stage = "medi"
    method = "morphology-enabled dipole inversion"
    resources = Resources(volumes=34, cpus=2, minutes=12)
    input_spec = MEDIInputSpec

    def _invert(self, volume: Volume, mask: torch.Tensor, b0_dir: Direction) -> tuple[torch.Tensor, dict[str, Any]]:
        chi, changes = medi(
            volume.data,
            load(self.inputs.magnitude).data,
            mask,
            volume.voxel_size,
            b0_dir,
            te=self.inputs.te,
            b0=self.inputs.b0,
            csf=load(self.inputs.csf).mask if isdefined(self.inputs.csf) else None,
            **self.settings(config.MEDI),
        )
        return chi, {"Iterations": len(changes), "RelativeChange": float(f"{changes[-1]:.2e}")}
