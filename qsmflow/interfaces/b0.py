"""Direction of B0 in the reference frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
from nipype.interfaces.base import File, isdefined, traits

from qsmflow.core.geometry import b0_direction, rotation_angle, turn_to_reference
from qsmflow.engines.resources import Resources

from .base import StageInputSpec, StageInterface, StageOutputSpec
from .transforms import read_itk

_Direction = traits.Tuple(traits.Float(), traits.Float(), traits.Float())


class TurnB0InputSpec(StageInputSpec):
    """Inputs of `TurnB0`."""

    in_file = File(exists=True, mandatory=True, desc="image of the orientation, for its axes")
    reference = File(exists=True, mandatory=True, desc="image of the reference, for its axes")
    transform = File(
        exists=True, mandatory=True, desc="ITK transform from world points of the reference to the orientation's"
    )
    b0_dir = traits.Tuple(
        traits.Float(),
        traits.Float(),
        traits.Float(),
        desc="B0 in the voxel axes of in_file; by default from its affine",
    )


class TurnB0OutputSpec(StageOutputSpec):
    """Outputs of `TurnB0`."""

    b0_dir = _Direction


class TurnB0(StageInterface):
    """Turn B0 with the head: its direction in the voxel axes of the reference."""

    stage = "turn_b0"
    method = "direction of B0 from the affine and the registration"
    resources = Resources(volumes=0, minutes=0)
    input_spec = TurnB0InputSpec
    output_spec = TurnB0OutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        affine, reference = (nib.load(path).affine for path in (self.inputs.in_file, self.inputs.reference))
        own = self.inputs.b0_dir if isdefined(self.inputs.b0_dir) else b0_direction(affine)
        transform = read_itk(self.inputs.transform)
        turned = turn_to_reference(own, affine, transform, reference)
        self._results["b0_dir"] = turned
        return {
            "B0Direction": [round(b, 6) for b in turned],
            "RotationAngle": round(rotation_angle(transform), 4),
            "Translation": [round(float(t), 4) for t in transform[:3, 3]],
        }
