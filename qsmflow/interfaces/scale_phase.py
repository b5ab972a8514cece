"""From stored images to magnitude and phase in radians."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, InputMultiObject, isdefined, traits

from qsmflow import config
from qsmflow.bids.header import read_header
from qsmflow.core.field import wrap
from qsmflow.core.phase import PHASE_UNITS, phase_to_radians
from qsmflow.engines.resources import Resources
from qsmflow.errors import UsageError

from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .volume import Volume, load_stack, save

#: The two parts of a complex image, in either of its forms.
_PAIRS = (("magnitude", "phase"), ("real", "imag"))


def _refuse(paths: Sequence[str], where: torch.Tensor, what: str, mend: str) -> None:
    """Raise `ValueError` where `where`, (E, X, Y, Z), is true, by the file of the first echo in which it is."""
    if bool(where.any()):
        echo = int(where.flatten(1).any(1).nonzero()[0])
        path = paths[echo] if len(paths) == len(where) else paths[0]
        raise ValueError(f"{path}: {int(where.sum())} voxels are {what}; {mend}")


def _refuse_negative(paths: Sequence[str], magnitude: Volume) -> None:
    _refuse(paths, magnitude.data < 0, "below zero", "give the magnitude as it was acquired")


@with_settings(config.ScalePhase)
class ScalePhaseInputSpec(StageInputSpec):
    """Inputs of `ScalePhase`: magnitude and phase, or real and imaginary parts."""

    magnitude = InputMultiObject(File(exists=True), desc="magnitude, one file an echo or one 4-D file")
    phase = InputMultiObject(File(exists=True), desc="phase as stored, likewise")
    phase_units = traits.Enum(
        *PHASE_UNITS,
        usedefault=True,
        parameter=True,
        desc="Units of the phase's sidecar; arbitrary: told from the range of the values",
    )
    real = InputMultiObject(File(exists=True), desc="real part, likewise")
    imag = InputMultiObject(File(exists=True), desc="imaginary part, likewise")


class ScalePhaseOutputSpec(StageOutputSpec):
    """Outputs of `ScalePhase`."""

    out_phase = File(exists=True, desc="phase, rad in [-pi, pi), echoes as the fourth axis")
    out_magnitude = File(exists=True, desc="magnitude, echoes as the fourth axis")
    out_combined = File(exists=True, desc="root sum of squares of the magnitude over the echoes")
    out_wrapped = File(exists=True, desc="phase of the last echo, rad in [-pi, pi)")


class ScalePhase(StageInterface):
    """Read the echoes of one series and bring the phase to radians, with the sign of a paramagnetic source positive."""

    stage = "scale_phase"
    method = "echoes read, phase scaled to radians"
    resources = Resources(volumes=4, volumes_per_image=6, minutes=0.1)
    input_spec = ScalePhaseInputSpec
    output_spec = ScalePhaseOutputSpec

    def check(self) -> None:
        """Refuse also, by a `UsageError`, what is neither magnitude and phase nor real and imaginary parts."""
        super().check()
        given = tuple(part for pair in _PAIRS for part in pair if isdefined(getattr(self.inputs, part)))
        if given not in _PAIRS:
            told = " and ".join(f"--{part}" for part in given) or "no image"
            ways = ", or ".join(" and ".join(f"--{part}" for part in pair) for pair in _PAIRS)
            raise UsageError(f"stage {self.stage}: {told} given; give {ways}, and nothing else")

    def _stage(self, cwd: Path) -> dict[str, Any]:
        grid, magnitude, phase, convention, bad = self._read()
        magnitude = torch.where(bad, 0.0, magnitude)
        phase = wrap(torch.where(bad, 0.0, phase))
        phase = -phase if self.inputs.sign == "minus" else phase
        self._results["out_phase"] = save(grid.with_data(phase), cwd / "phase.nii")
        self._results["out_magnitude"] = save(grid.with_data(magnitude), cwd / "magnitude.nii")
        self._results["out_wrapped"] = save(grid.with_data(phase[-1]), cwd / "wrapped.nii")
        combined = magnitude.square().sum(0).sqrt()
        self._results["out_combined"] = save(grid.with_data(combined), cwd / "combined.nii")
        return {"StoredPhase": convention, "NonFiniteSetToZero": int(bad.sum()), "Echoes": len(phase)}

    def _read(self) -> tuple[Volume, torch.Tensor, torch.Tensor, str, torch.Tensor]:
        """Grid, magnitude, phase, rad, how it was stored, and the voxels that are not finite."""
        names = _PAIRS[0] if isdefined(self.inputs.phase) else _PAIRS[1]
        files = [getattr(self.inputs, name) for name in names]
        one, other = (load_stack(paths) for paths in files)
        if len(one.data) != len(other.data):
            found = zip(names, files, (one, other), strict=True)
            told = (f"--{name} holds {len(volume.data)} in {len(paths)} files" for name, paths, volume in found)
            raise ValueError(f"not the same number of echoes: {', '.join(told)}; give both parts of every echo")
        other.refuse_apart(one)
        self._warn_of_no_orientation(files[0][0])
        bad = [~torch.isfinite(volume.data) for volume in (one, other)]
        if self.inputs.nonfinite == "refuse":
            for paths, where in zip(files, bad, strict=True):
                _refuse(paths, where, "NaN or Inf", "mend them, or set nonfinite to zero")
        nowhere = bad[0] | bad[1]
        if names == _PAIRS[1]:
            phase = torch.atan2(other.data, one.data)
            return one, torch.hypot(one.data, other.data), phase, "real and imaginary parts", nowhere
        _refuse_negative(files[0], one)
        try:
            phase, convention = phase_to_radians(other.data, units=self.inputs.phase_units)
        except ValueError as error:
            raise ValueError(f"{files[1][0]}: {error}; give the wrapped phase in radians") from error
        return one, one.data, phase, convention, nowhere

    def _warn_of_no_orientation(self, path: str) -> None:
        """Say that a NIfTI file has no affine, for what is written from it has one."""
        if path.endswith((".nii", ".nii.gz")) and not read_header(Path(path)).oriented:
            self._warnings += (f"{path}: the header has no orientation: the third voxel axis is taken for B0",)


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
    resources = Resources(volumes=2, volumes_per_image=2, minutes=0.1)
    input_spec = CombineMagnitudeInputSpec
    output_spec = CombineMagnitudeOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load_stack(self.inputs.magnitude)
        _refuse_negative(self.inputs.magnitude, volume)
        combined = torch.nan_to_num(volume.data, posinf=0.0, neginf=0.0).square().sum(0).sqrt()
        self._results["out_combined"] = save(volume.with_data(combined), cwd / "combined.nii")
        return {"Echoes": len(volume.data)}
