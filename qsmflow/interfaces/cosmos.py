"""Susceptibility from several orientations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, InputMultiObject, traits

from qsmflow import config
from qsmflow.core.inversion import condition, cosmos, cosmos_kspace
from qsmflow.engines.resources import Resources

from .base import StageInterface, StageOutputSpec, with_settings
from .reference import ReferencedInputSpec, referenced
from .volume import load_stack, save

_Direction = traits.Tuple(traits.Float(), traits.Float(), traits.Float())


class _OrientationsInputSpec(ReferencedInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="local fields in the reference frame, ppm")
    masks = InputMultiObject(File(exists=True), mandatory=True, desc="where each of them is valid")
    b0_dirs = traits.List(
        _Direction, mandatory=True, parameter=True, desc="B0 of each orientation in the voxel axes of the reference"
    )


class COSMOSOutputSpec(StageOutputSpec):
    """Outputs of both solutions."""

    out_file = File(exists=True, desc="susceptibility, ppm")
    out_mask = File(exists=True, desc="where every orientation has a field, and the susceptibility is given")


class _Orientations(StageInterface):
    output_spec = COSMOSOutputSpec

    def _solve(self, fields: torch.Tensor, masks: torch.Tensor, voxel_size: Any) -> tuple[torch.Tensor, dict[str, Any]]:
        """Susceptibility and what was measured on the way."""
        raise NotImplementedError

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load_stack(self.inputs.in_files)
        masks = load_stack(self.inputs.masks).data > 0.5
        common = masks.all(0)
        if not bool(common.any()):
            raise ValueError("the masks of the orientations have no voxel in common; look at the registration")
        chi, measured = self._solve(volume.data, masks, volume.voxel_size)
        chi, zero = referenced(self.inputs, chi * common, common)
        self._results["out_file"] = save(volume.with_data(chi), cwd / f"{self.stage}.nii")
        self._results["out_mask"] = save(volume.with_data(common), cwd / "mask.nii")
        found = condition(self.inputs.b0_dirs)
        return {
            "Orientations": len(volume.data),
            "ConditionSmallest": round(found.smallest, 4),
            "ConditionWeakShare": round(found.weak, 4),
            "MaskVoxels": int(common.sum()),
            **measured,
            **zero,
        }


def noise_weights(magnitudes: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Weights that fall with the magnitude below its median, where noise rules, and are equal above.

    Above the median the error of a local field is that of background removal, which a bright voxel has no less of.
    """
    weights = torch.zeros_like(magnitudes)
    for i, (magnitude, mask) in enumerate(zip(magnitudes, masks, strict=True)):
        weights[i] = (magnitude / magnitude[mask].median()).clamp(0.0, 1.0) * mask
    return weights


class COSMOSKSpaceInputSpec(_OrientationsInputSpec):
    """Inputs of `COSMOSKSpace`."""


class COSMOSKSpace(_Orientations):
    """COSMOS in closed form in k-space."""

    stage = "cosmos_kspace"
    method = "COSMOS, closed form in k-space"
    resources = Resources(volumes=10, volumes_per_image=2, cpus=2)
    input_spec = COSMOSKSpaceInputSpec

    def _solve(self, fields: torch.Tensor, masks: torch.Tensor, voxel_size: Any) -> tuple[torch.Tensor, dict[str, Any]]:
        return cosmos_kspace(fields, masks.all(0), voxel_size, self.inputs.b0_dirs), {}


@with_settings(config.COSMOS)
class COSMOSInputSpec(_OrientationsInputSpec):
    """Inputs of `COSMOS`."""

    magnitudes = InputMultiObject(
        File(exists=True), mandatory=True, desc="magnitudes in the reference frame: the weights"
    )


class COSMOS(_Orientations):
    """COSMOS as masked least squares, weighted by the magnitude."""

    stage = "cosmos"
    method = "COSMOS, masked and magnitude-weighted least squares"
    resources = Resources(volumes=14, volumes_per_image=6, cpus=2, minutes=6)
    input_spec = COSMOSInputSpec

    def _solve(self, fields: torch.Tensor, masks: torch.Tensor, voxel_size: Any) -> tuple[torch.Tensor, dict[str, Any]]:
        weights = noise_weights(load_stack(self.inputs.magnitudes).data, masks)
        chi, residuals = cosmos(fields, weights, voxel_size, self.inputs.b0_dirs, **self.settings(config.COSMOS))
        return chi, {"Iterations": len(residuals), "RelativeResidual": float(f"{residuals[-1]:.2e}")}
