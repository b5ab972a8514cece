"""Phase unwrapping and phase quality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, traits

from qsmflow import config
from qsmflow.core.mask.quality import keep_good_phase
from qsmflow.core.unwrap import unwrap_series, voxel_quality
from qsmflow.engines.resources import Resources

from .acquired import refuse_times
from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .doubts import refuse_unscaled
from .volume import Volume, load_echoes, load_magnitude, load_mask, save

_NAMES = {
    "romeo": "ROMEO",
    "best_path": "best-path unwrapping",
    "segue": "SEGUE",
    "laplacian": "Laplacian unwrapping",
}


class _PhaseInputSpec(StageInputSpec):
    in_file = File(exists=True, mandatory=True, desc="wrapped phase, rad, 3-D or echoes as the fourth axis")
    magnitude = File(exists=True, mandatory=True, desc="magnitude of the same shape")
    mask = File(exists=True, mandatory=True, desc="brain mask")
    te = traits.List(traits.Float(), mandatory=True, minlen=1, parameter=True, desc="echo times, s")


def _load(inputs: Any) -> tuple[Volume, torch.Tensor, torch.Tensor]:
    """Phase, magnitude and mask, checked."""
    volume = load_echoes(inputs.in_file)
    refuse_times(inputs.te, volume)
    mask = load_mask(inputs.mask, volume)
    volume = volume.finite()
    refuse_unscaled(volume)
    return volume, load_magnitude(inputs.magnitude, volume, mask, echoes=True), mask


@with_settings(config.Unwrap)
class UnwrapInputSpec(_PhaseInputSpec):
    """Inputs of `Unwrap`."""


class UnwrapOutputSpec(StageOutputSpec):
    """Outputs of `Unwrap`."""

    out_file = File(exists=True, desc="unwrapped phase, rad, the shape of in_file")


class Unwrap(StageInterface):
    """Remove the ramp of a bipolar readout (three echoes) and the receiver offset (two echoes), and unwrap."""

    stage = "unwrap"
    method = "phase unwrapping"
    resources = Resources(volumes=45, volumes_per_image=6, cpus=1, minutes=0.25)
    input_spec = UnwrapInputSpec
    output_spec = UnwrapOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume, magnitude, mask = _load(self.inputs)
        unwrapped, offset_removed, ramp = unwrap_series(
            volume.data, magnitude, list(self.inputs.te), volume.voxel_size, mask, **self.settings(config.Unwrap)
        )
        self._results["out_file"] = save(volume.with_data(unwrapped), cwd / "unwrapped.nii")
        removed = {"ReceiverOffsetRemoved": offset_removed, "ReadoutRampRemoved": round(ramp, 3)}
        return {"Method": _NAMES[self.inputs.method], **removed}


@with_settings(config.QualityMask)
class QualityMaskInputSpec(_PhaseInputSpec):
    """Inputs of `QualityMask`."""


class QualityMaskOutputSpec(StageOutputSpec):
    """Outputs of `QualityMask`."""

    out_file = File(exists=True, desc="mask without the voxels of unreliable phase")
    quality = File(exists=True, desc="ROMEO voxel quality, 0 to 1")


class QualityMask(StageInterface):
    """Take voxels of unreliable phase out of the brain mask."""

    stage = "quality_mask"
    method = "ROMEO voxel quality"
    resources = Resources(volumes=10, volumes_per_image=4, cpus=1, minutes=0.1)
    input_spec = QualityMaskInputSpec
    output_spec = QualityMaskOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume, magnitude, mask = _load(self.inputs)
        quality = voxel_quality(volume.data, magnitude, list(self.inputs.te))
        kept = keep_good_phase(mask, quality, **self.settings(config.QualityMask))
        self._results["out_file"] = save(volume.with_data(kept), cwd / "mask.nii")
        self._results["quality"] = save(volume.with_data(quality), cwd / "quality.nii")
        before, after = int(mask.sum()), int(kept.sum())
        return {"MaskVoxelsBefore": before, "MaskVoxels": after, "ShareRemoved": round(1 - after / before, 4)}
