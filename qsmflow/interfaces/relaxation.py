"""Relaxation from the magnitudes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.interfaces.base import File, traits

from qsmflow.core.relaxation import r2star
from qsmflow.engines.resources import Resources

from .acquired import refuse_times
from .base import StageInputSpec, StageInterface, StageOutputSpec
from .volume import load_echoes, load_magnitude, load_mask, save


class R2StarInputSpec(StageInputSpec):
    """Inputs of `R2Star`."""

    in_file = File(exists=True, mandatory=True, desc="magnitude, echoes as the fourth axis")
    mask = File(exists=True, mandatory=True, desc="mask; R2* is zero outside")
    te = traits.List(traits.Float(), mandatory=True, parameter=True, desc="echo times, s")


class R2StarOutputSpec(StageOutputSpec):
    """Outputs of `R2Star`."""

    out_file = File(exists=True, desc="R2*, 1/s")


class R2Star(StageInterface):
    """R2* from the decay of the magnitude over the echoes."""

    stage = "r2star"
    method = "log-linear fit, weighted by the squared fitted signal"
    resources = Resources(volumes=14, volumes_per_image=4, cpus=2, minutes=0.1)
    input_spec = R2StarInputSpec
    output_spec = R2StarOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load_echoes(self.inputs.in_file)
        refuse_times(self.inputs.te, volume)
        mask = load_mask(self.inputs.mask, volume)
        magnitude = load_magnitude(self.inputs.in_file, volume, mask, echoes=True)
        rate = r2star(magnitude, list(self.inputs.te))
        self._results["out_file"] = save(volume.with_data(rate * mask), cwd / "r2star.nii")
        inside = rate[mask]
        return {
            "MedianR2Star": round(float(inside.median()), 2),
            "ShareBelowZero": round(float((inside < 0).float().mean()), 4),
        }
