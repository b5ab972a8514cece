"""Background removal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File

from qsmflow import config
from qsmflow.core.background import vsharp
from qsmflow.engines.resources import Resources

from .base import StageInterface, StageOutputSpec, with_settings
from .direction import DirectedInputSpec, direction, rounded
from .volume import load, save


@with_settings(config.VSharp)
class VSHARPInputSpec(DirectedInputSpec):
    """Inputs of `VSHARP`."""

    in_file = File(exists=True, mandatory=True, desc="total field, ppm")
    mask = File(exists=True, mandatory=True, desc="brain mask")


class VSHARPOutputSpec(StageOutputSpec):
    """Outputs of `VSHARP`."""

    out_file = File(exists=True, desc="local field, ppm")
    out_mask = File(exists=True, desc="where the local field is valid: the mask, eroded")


class VSHARP(StageInterface):
    """Local field by the spherical mean value property with spheres of varying radius."""

    stage = "vsharp"
    method = "V-SHARP"
    resources = Resources(volumes=20, cpus=2, minutes=2)
    input_spec = VSHARPInputSpec
    output_spec = VSHARPOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume, mask = load(self.inputs.in_file), load(self.inputs.mask).mask
        b0_dir = direction(self.inputs, volume)
        local, eroded = vsharp(volume.data, mask, volume.voxel_size, b0_dir, **self.settings(config.VSharp))
        self._results["out_file"] = save(volume.with_data(local), cwd / "local.nii")
        self._results["out_mask"] = save(volume.with_data(eroded), cwd / "mask.nii")
        before, after = int(mask.sum()), int(eroded.sum())
        return {
            "B0Direction": rounded(b0_dir),
            "MaskVoxelsBefore": before,
            "MaskVoxels": after,
            "ShareEroded": round(1 - after / before, 4),
        }
