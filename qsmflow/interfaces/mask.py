"""Masks of the brain, from the magnitude, and of the cerebrospinal fluid, from R2*."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from nipype.interfaces import fsl
from nipype.interfaces.base import File

from qsmflow import config
from qsmflow.core.mask import brain_mask
from qsmflow.core.mask.csf import csf_mask
from qsmflow.engines.resources import Resources
from qsmflow.errors import MissingProgramError

from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .volume import Volume, load, load_mask, save


def choose(method: str, program: str) -> str:
    """Resolve ``auto``: `program` where it is installed, else ``embedded``.

    Raises
    ------
    MissingProgramError
        `program` was asked for by name and is not on the PATH.
    """
    installed = shutil.which(program) is not None
    if method == "auto":
        return program if installed else "embedded"
    if method == program and not installed:
        raise MissingProgramError(
            f"{program} of FSL is not on the PATH: install FSL, or set method to embedded or auto"
        )
    return method


@with_settings(config.BrainMask)
class BrainMaskInputSpec(StageInputSpec):
    """Inputs of `BrainMask`."""

    in_file = File(exists=True, mandatory=True, desc="magnitude: an early echo or all combined")


class BrainMaskOutputSpec(StageOutputSpec):
    """Outputs of `BrainMask`."""

    out_file = File(exists=True, desc="brain mask")


class BrainMask(StageInterface):
    """Brain mask by FSL BET or by the embedded method; the report says by which."""

    stage = "brain_mask"
    method = "brain extraction"
    resources = Resources(volumes=10)
    input_spec = BrainMaskInputSpec
    output_spec = BrainMaskOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load(self.inputs.in_file)
        if choose(self.inputs.method, "bet") == "bet":
            mask, method = load(self._bet(cwd)).mask, "FSL BET"
        else:
            try:
                mask = brain_mask(volume.data, volume.voxel_size)
            except ValueError as error:
                raise ValueError(f"{self.inputs.in_file}: {error}") from error
            method = "embedded: watershed and deformable surface"
        self._results["out_file"] = save(volume.with_data(mask), cwd / "brain_mask.nii")
        return {"Method": method, **_size(mask, volume)}

    def _bet(self, cwd: Path) -> str:
        """Run BET and return the path of its mask."""
        bet = fsl.BET(
            in_file=self.inputs.in_file,
            out_file=str(cwd / "bet.nii.gz"),
            frac=self.inputs.bet_fraction,
            mask=True,
            output_type="NIFTI_GZ",
        )
        bet.run(cwd=str(cwd))
        return str(cwd / "bet_mask.nii.gz")


@with_settings(config.CSFMask)
class CSFMaskInputSpec(StageInputSpec):
    """Inputs of `CSFMask`."""

    in_file = File(exists=True, mandatory=True, desc="R2*, 1/s")
    mask = File(exists=True, mandatory=True, desc="brain mask")


class CSFMaskOutputSpec(StageOutputSpec):
    """Outputs of `CSFMask`."""

    out_file = File(exists=True, desc="mask of the cerebrospinal fluid")


class CSFMask(StageInterface):
    """Mask of the fluid in the ventricles, where R2* is low."""

    stage = "csf_mask"
    method = "computed: pieces of low R2* about the middle of the brain"
    resources = Resources(volumes=10)
    input_spec = CSFMaskInputSpec
    output_spec = CSFMaskOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load(self.inputs.in_file)
        mask = load_mask(self.inputs.mask, volume)
        try:
            fluid = csf_mask(volume.data, mask, volume.voxel_size, **self.settings(config.CSFMask))
        except ValueError as error:
            raise ValueError(f"{self.inputs.in_file}: {error}") from error
        self._results["out_file"] = save(volume.with_data(fluid), cwd / "csf_mask.nii")
        return _size(fluid, volume)


def _size(mask: torch.Tensor, volume: Volume) -> dict[str, Any]:
    """Voxels and volume of a mask, for the sidecar."""
    x, y, z = volume.voxel_size
    voxels = int(mask.sum())
    return {"MaskVoxels": voxels, "VolumeML": round(voxels * x * y * z / 1000, 1)}
