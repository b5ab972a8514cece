"""From unwrapped phase to the total field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, traits

from qsmflow.core.field import combine_echoes
from qsmflow.engines.resources import Resources

from .base import StageInputSpec, StageInterface, StageOutputSpec
from .volume import load, load_echoes, save


class FieldMapInputSpec(StageInputSpec):
    """Inputs of `FieldMap`."""

    in_file = File(exists=True, mandatory=True, desc="unwrapped phase, rad, 3-D or echoes as the fourth axis")
    magnitude = File(exists=True, mandatory=True, desc="magnitude of the same shape")
    mask = File(exists=True, mandatory=True, desc="mask; the field is zero outside")
    te = traits.List(traits.Float(), mandatory=True, minlen=1, parameter=True, desc="echo times, s")
    b0 = traits.Float(mandatory=True, parameter=True, desc="field strength, T")
    intercept = traits.Bool(
        False,
        usedefault=True,
        parameter=True,
        desc="fit a phase at TE = 0 too: where the receiver offset was not removed",
    )


class FieldMapOutputSpec(StageOutputSpec):
    """Outputs of `FieldMap`."""

    out_file = File(exists=True, desc="total field, ppm")


class FieldMap(StageInterface):
    """Combine the echoes to the total field, weighted by the squared magnitude."""

    stage = "field"
    method = "weighted least-squares fit over echo time"
    resources = Resources(volumes=5, volumes_per_image=4, cpus=2)
    input_spec = FieldMapInputSpec
    output_spec = FieldMapOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume, magnitude = load_echoes(self.inputs.in_file), load_echoes(self.inputs.magnitude).data
        mask = load(self.inputs.mask).mask
        field = combine_echoes(volume.data, magnitude, self.inputs.te, self.inputs.b0, intercept=self.inputs.intercept)
        self._results["out_file"] = save(volume.with_data(field * mask), cwd / "total.nii")
        return {"FieldSD": round(float(field[mask].std()), 5), "FieldMean": round(float(field[mask].mean()), 5)}
