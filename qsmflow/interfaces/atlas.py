"""The regions of an atlas in a series: its template registered to the magnitude, its labels brought along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, isdefined

from qsmflow.core.registration import affine_register, resample
from qsmflow.engines.resources import Resources

from .base import StageInputSpec, StageInterface, StageOutputSpec
from .registered import registered
from .volume import as_labels, load, save


class RegisterAtlasInputSpec(StageInputSpec):
    """Inputs of `RegisterAtlas`."""

    in_file = File(exists=True, mandatory=True, desc="magnitude of the series")
    in_mask = File(exists=True, desc="its brain mask; found by the embedded method where not given")
    atlas = File(exists=True, mandatory=True, desc="labels on the grid of the template, 0 outside every region")
    template = File(exists=True, mandatory=True, desc="the template's brain, zero outside it")


class RegisterAtlasOutputSpec(StageOutputSpec):
    """Outputs of `RegisterAtlas`."""

    out_file = File(exists=True, desc="labels on the grid of in_file")


class RegisterAtlas(StageInterface):
    """Register a template to a magnitude by an affine transform and sample its labels there, nearest voxel."""

    stage = "register_atlas"
    method = "atlas, affine registration of its template"
    resources = Resources(volumes=10, minutes=1)
    input_spec = RegisterAtlasInputSpec
    output_spec = RegisterAtlasOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        series, template, atlas = (load(getattr(self.inputs, name)) for name in ("in_file", "template", "atlas"))
        mask = load(self.inputs.in_mask).mask if isdefined(self.inputs.in_mask) else None
        brain = template.finite()
        transform, told = registered(affine_register, brain, series, brain.data != 0, mask)
        labels = as_labels(atlas).float()
        moved = resample(labels, atlas.affine, transform, series.affine, series.data.shape, order=0)
        self._results["out_file"] = save(series.with_data(moved.int()), cwd / "regions.nii")
        return {
            "Atlas": str(self.inputs.atlas),
            "Template": str(self.inputs.template),
            **told,
            "Volume": round(float(1 / torch.linalg.det(transform[:3, :3])), 4),
        }
