"""From stored images to magnitude and phase in radians."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, InputMultiObject, isdefined, traits

from qsmflow import config
from qsmflow.core.field import wrap
from qsmflow.core.phase import phase_to_radians
from qsmflow.engines.resources import Resources

from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .volume import Volume, load_stack, save


@with_settings(config.ScalePhase)
class ScalePhaseInputSpec(StageInputSpec):
    """Inputs of `ScalePhase`: magnitude and phase, or real and imaginary parts."""

    magnitude = InputMultiObject(File(exists=True), desc="magnitude, one file an echo or one 4-D file")
    phase = InputMultiObject(File(exists=True), xor=["real"], requires=["magnitude"], desc="phase as stored")
    phase_units = traits.Str(parameter=True, desc="Units of the phase's sidecar: rad or arbitrary")
    real = InputMultiObject(File(exists=True), xor=["phase"], requires=["imag"], desc="real part")
    imag = InputMultiObject(File(exists=True), desc="imaginary part")


class ScalePhaseOutputSpec(StageOutputSpec):
    """Outputs of `ScalePhase`."""

    out_phase = File(exists=True, desc="phase, rad in [-pi, pi), echoes as the fourth axis")
    out_magnitude = File(exists=True, desc="magnitude, echoes as the fourth axis")
    out_combined = File(exists=True, desc="root sum of squares of the magnitude over the echoes")


class ScalePhase(StageInterface):
    """Read the echoes of one series and bring the phase to radians, with the sign of a paramagnetic source positive."""

    stage = "scale_phase"
    method = "echoes read, phase scaled to radians"
    resources = Resources(volumes=4, volumes_per_image=6)
    input_spec = ScalePhaseInputSpec
    output_spec = ScalePhaseOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        grid, magnitude, phase, convention = self._read()
        bad = ~(torch.isfinite(magnitude) & torch.isfinite(phase))
        if bool(bad.any()) and self.inputs.nonfinite == "refuse":
            raise ValueError(
                f"{int(bad.sum())} voxels are NaN or Inf; mend the input or set scale_phase.nonfinite to zero"
            )
        magnitude = torch.where(bad, 0.0, magnitude)
        phase = wrap(torch.where(bad, 0.0, phase))
        phase = -phase if self.inputs.sign == "minus" else phase
        self._results["out_phase"] = save(grid.with_data(phase), cwd / "phase.nii")
        self._results["out_magnitude"] = save(grid.with_data(magnitude), cwd / "magnitude.nii")
        combined = magnitude.square().sum(0).sqrt()
        self._results["out_combined"] = save(grid.with_data(combined), cwd / "combined.nii")
        return {"StoredPhase": convention, "NonFiniteSetToZero": int(bad.sum()), "Echoes": len(phase)}

    def _read(self) -> tuple[Volume, torch.Tensor, torch.Tensor, str]:
        if self.inputs.real:
            real, imag = load_stack(self.inputs.real), load_stack(self.inputs.imag).data
            return real, torch.hypot(real.data, imag), torch.atan2(imag, real.data), "real and imaginary parts"
        magnitude, stored = load_stack(self.inputs.magnitude), load_stack(self.inputs.phase).data
        units = self.inputs.phase_units if isdefined(self.inputs.phase_units) else None
        phase, convention = phase_to_radians(stored, units=units)
        return magnitude, magnitude.data, phase, convention


class CombineMagnitudeInputSpec(StageInputSpec):
    """Inputs of `CombineMagnitude`."""

    magnitude = InputMultiObject(File(exists=True), mandatory=True, desc="magnitude, one file an echo or one 4-D file")


class CombineMagnitudeOutputSpec(StageOutputSpec):
    """Outputs of `CombineMagnitude`."""

    out_combined = File(exists=True, desc="root sum of squares over the echoes")


class CombineMagnitude(StageInterface):
    """One magnitude image of a series whose phase is not needed, because its field is supplied."""

    stage = "combine_magnitude"
    method = "root sum of squares over the echoes"
    resources = Resources(volumes=2, volumes_per_image=2)
    input_spec = CombineMagnitudeInputSpec
    output_spec = CombineMagnitudeOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load_stack(self.inputs.magnitude)
        combined = torch.nan_to_num(volume.data, posinf=0.0, neginf=0.0).square().sum(0).sqrt()
        self._results["out_combined"] = save(volume.with_data(combined), cwd / "combined.nii")
        return {"Echoes": len(volume.data)}
