"""Susceptibility from several orientations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, InputMultiObject, isdefined, traits

from qsmflow import config
from qsmflow.core.inversion import condition, cosmos, cosmos_kspace, orientation_noise
from qsmflow.core.inversion.cosmos import POOR
from qsmflow.core.inversion.weights import noise_weights
from qsmflow.engines.resources import Resources

from .base import StageInterface, StageOutputSpec, with_settings
from .reference import ReferencedInputSpec, referenced
from .volume import Volume, load_magnitude, load_masks, load_stack, save

_Direction = traits.Tuple(traits.Float(), traits.Float(), traits.Float())


@with_settings(config.OrientationWeights)
class _OrientationsInputSpec(ReferencedInputSpec):
    in_files = InputMultiObject(File(exists=True), mandatory=True, desc="local fields in the reference frame, ppm")
    masks = InputMultiObject(File(exists=True), mandatory=True, desc="where each of them is valid, a file each")
    b0_dirs = traits.List(
        _Direction, mandatory=True, parameter=True, desc="B0 of each orientation in the voxel axes of the reference"
    )
    weights = traits.List(
        traits.Float(), parameter=True, desc="weight of each orientation, inverse to its noise, instead of the method's"
    )


class COSMOSOutputSpec(StageOutputSpec):
    """Outputs of both solutions."""

    out_file = File(exists=True, desc="susceptibility, ppm")
    out_mask = File(exists=True, desc="where every orientation has a field, and the susceptibility is given")


class _Orientations(StageInterface):
    output_spec = COSMOSOutputSpec

    def _solve(
        self, volume: Volume, masks: torch.Tensor, weights: Sequence[float] | None
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Of the fields of `volume`: susceptibility and what was measured on the way."""
        raise NotImplementedError

    def _weights(self, volume: Volume, masks: torch.Tensor) -> list[float] | None:
        """Of the orientations: as given, or from a first solution, or None where they are equal."""
        if isdefined(self.inputs.weights):
            return list(self.inputs.weights)
        if self.inputs.orientation_weights == "equal":
            return None
        first, _ = self._solve(volume, masks, None)
        noise = orientation_noise(first, volume.data, masks, volume.voxel_size, self.inputs.b0_dirs)
        return [min(noise) / one for one in noise]

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load_stack(self.inputs.in_files)
        masks = load_masks(self.inputs.masks, volume)
        common = masks.all(0)
        if not bool(common.any()):
            raise ValueError("the masks of the orientations have no voxel in common; look at the registration")
        weights = self._weights(volume, masks)
        chi, measured = self._solve(volume, masks, weights)
        if weights is not None:
            measured["OrientationWeights"] = [round(weight, 4) for weight in weights]
        chi_map, zero = referenced(self.inputs, volume.with_data(chi * common), common)
        self._results["out_file"] = save(chi_map, cwd / f"{self.stage}.nii")
        self._results["out_mask"] = save(volume.with_data(common), cwd / "mask.nii")
        found = condition(self.inputs.b0_dirs)
        if found.poor:
            self._warnings += (
                f"the directions of B0 leave parts of k-space unseen (condition {found.smallest:.3f}, below {POOR:g}): "
                "expect streaks; add orientations with the head turned further",
            )
        return {
            "Orientations": len(volume.data),
            "ConditionSmallest": round(found.smallest, 4),
            "ConditionWeakShare": round(found.weak, 4),
            "MaskVoxels": int(common.sum()),
            **measured,
            **zero,
        }


class COSMOSKSpaceInputSpec(_OrientationsInputSpec):
    """Inputs of `COSMOSKSpace`."""


class COSMOSKSpace(_Orientations):
    """COSMOS in closed form in k-space."""

    stage = "cosmos_kspace"
    method = "COSMOS, closed form in k-space"
    resources = Resources(volumes=10, volumes_per_image=2, cpus=2, minutes=0.25)
    input_spec = COSMOSKSpaceInputSpec

    def _solve(
        self, volume: Volume, masks: torch.Tensor, weights: Sequence[float] | None
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        common = masks.all(0)
        chi = cosmos_kspace(volume.data, common, volume.voxel_size, self.inputs.b0_dirs, orientation_weights=weights)
        return chi, {}


@with_settings(config.COSMOS)
class COSMOSInputSpec(_OrientationsInputSpec):
    """Inputs of `COSMOS`."""

    magnitudes = InputMultiObject(
        File(exists=True), mandatory=True, desc="magnitudes in the reference frame: the weights"
    )


class COSMOS(_Orientations):
    """COSMOS as masked least squares, weighted by the magnitude."""

    stage = "cosmos"
    quantity = "residual"
    method = "COSMOS, masked and magnitude-weighted least squares"
    resources = Resources(volumes=14, volumes_per_image=6, cpus=2, minutes=0.5)
    input_spec = COSMOSInputSpec

    def _solve(
        self, volume: Volume, masks: torch.Tensor, weights: Sequence[float] | None
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        paths = self.inputs.magnitudes
        if len(paths) != len(masks):
            raise ValueError(f"magnitudes: {len(paths)} files of {len(masks)} fields; give one for each")
        magnitudes = [load_magnitude(path, volume, mask) for path, mask in zip(paths, masks, strict=True)]
        chi, _ = cosmos(
            volume.data,
            torch.stack([noise_weights(*one) for one in zip(magnitudes, masks, strict=True)]),
            volume.voxel_size,
            self.inputs.b0_dirs,
            orientation_weights=weights,
            progress=self.tell,
            **self.settings(config.COSMOS),
        )
        return chi, self.iterated()
