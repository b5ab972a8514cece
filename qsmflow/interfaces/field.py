"""From unwrapped phase to the total field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, traits

from qsmflow import config
from qsmflow.core.field_fit import total_field
from qsmflow.engines.resources import Resources

from .acquired import refuse_times
from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .doubts import TOTAL, of_field, of_unwrapped
from .volume import load_echoes, load_magnitude, load_mask, save


@with_settings(config.Field)
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
    out_noise = File(exists=True, desc="its standard deviation, ppm")


class FieldMap(StageInterface):
    """Combine the echoes to the total field and its standard deviation, weighted by the squared magnitude."""

    stage = "field"
    method = "weighted least-squares fit over echo time"
    resources = Resources(volumes=14, volumes_per_image=4, cpus=2, minutes=0.1)
    input_spec = FieldMapInputSpec
    output_spec = FieldMapOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load_echoes(self.inputs.in_file)
        refuse_times(self.inputs.te, volume)
        mask = load_mask(self.inputs.mask, volume)
        volume = volume.finite()
        magnitude = load_magnitude(self.inputs.magnitude, volume, mask, echoes=True)
        self._warnings += of_unwrapped(volume, mask)
        field, noise = total_field(
            volume.data,
            magnitude,
            list(self.inputs.te),
            self.inputs.b0,
            mask,
            intercept=self.inputs.intercept,
            progress=self.tell,
            **self.settings(config.Field),
        )
        self._warnings += of_field(volume.with_data(field), mask, TOTAL)
        self._results["out_file"] = save(volume.with_data(field), cwd / "total.nii")
        self._results["out_noise"] = save(volume.with_data(noise), cwd / "noise.nii")
        inside = {"FieldSD": field[mask].std(), "FieldMean": field[mask].mean(), "MedianNoise": noise[mask].median()}
        measured: dict[str, Any] = {name: round(float(value), 5) for name, value in inside.items()}
        if self._told is not None:
            measured |= {"Method": "nonlinear fit of the complex signal", "Iterations": self._told[0]}
        return measured
