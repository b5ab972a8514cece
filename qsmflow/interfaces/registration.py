"""Rigid registration of one orientation to the reference, and resampling through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from nipype.interfaces import fsl
from nipype.interfaces.base import File, isdefined, traits

from qsmflow import config
from qsmflow.core.geometry import rotation_angle
from qsmflow.core.registration import flirt_to_world, resample, rigid_register
from qsmflow.engines.resources import Resources

from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .mask import choose
from .registered import registered
from .transforms import read_itk, write_itk
from .volume import Volume, load, save

#: Largest rotation, degrees, that FLIRT searches about each axis.
FLIRT_SEARCH = [-60, 60]


@with_settings(config.Registration)
class RigidRegisterInputSpec(StageInputSpec):
    """Inputs of `RigidRegister`."""

    in_file = File(exists=True, mandatory=True, desc="magnitude to be registered")
    reference = File(exists=True, mandatory=True, desc="magnitude of the reference")
    in_mask = File(exists=True, desc="brain mask of in_file; found by the embedded method where not given")
    reference_mask = File(exists=True, desc="brain mask of the reference; found by the embedded method where not given")


class RigidRegisterOutputSpec(StageOutputSpec):
    """Outputs of `RigidRegister`."""

    out_transform = File(exists=True, desc="ITK text: world points of the reference to world points of in_file")


class RigidRegister(StageInterface):
    """Register a magnitude rigidly, by FSL FLIRT or by the embedded method; the report says by which."""

    stage = "rigid_register"
    method = "rigid registration"
    resources = Resources(volumes=14, cpus=2, minutes=4)
    input_spec = RigidRegisterInputSpec
    output_spec = RigidRegisterOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        moving, reference = load(self.inputs.in_file), load(self.inputs.reference)
        if choose(self.inputs.method, "flirt") == "flirt":
            matrix = self._flirt(cwd, moving, reference)
            measured: dict[str, Any] = {"Method": "FSL FLIRT, 6 degrees of freedom"}
        else:
            masks = [load(m).mask if isdefined(m) else None for m in (self.inputs.in_mask, self.inputs.reference_mask)]
            found, told = registered(rigid_register, moving, reference, *masks)
            matrix = found.numpy()
            measured = {"Method": "embedded: Gauss-Newton on locally normalised magnitude", **told}
        self._results["out_transform"] = write_itk(matrix, cwd / "transform.txt")
        translation = [round(float(t), 4) for t in matrix[:3, 3]]
        return {
            **measured,
            "RotationAngle": round(rotation_angle(torch.from_numpy(matrix)), 4),
            "Translation": translation,
        }

    def _flirt(self, cwd: Path, moving: Volume, reference: Volume) -> np.ndarray:
        """Run FLIRT on the brains and return its answer as a world transform."""
        weights = {"in_weight": self.inputs.in_mask, "ref_weight": self.inputs.reference_mask}
        flirt = fsl.FLIRT(
            in_file=self.inputs.in_file,
            reference=self.inputs.reference,
            out_file=str(cwd / "flirt.nii.gz"),
            out_matrix_file=str(cwd / "flirt.mat"),
            dof=6,
            cost="corratio",
            searchr_x=FLIRT_SEARCH,
            searchr_y=FLIRT_SEARCH,
            searchr_z=FLIRT_SEARCH,
            output_type="NIFTI_GZ",
            **{name: path for name, path in weights.items() if isdefined(path)},
        )
        flirt.run(cwd=str(cwd))
        written = np.loadtxt(cwd / "flirt.mat")
        return flirt_to_world(written, moving.affine, moving.data.shape, reference.affine, reference.data.shape).numpy()


class ApplyRigidInputSpec(StageInputSpec):
    """Inputs of `ApplyRigid`."""

    in_file = File(exists=True, mandatory=True, desc="image or mask")
    reference = File(exists=True, mandatory=True, desc="image whose grid is taken")
    transform = File(
        exists=True, mandatory=True, desc="ITK text, from the world points of the reference it was found for"
    )
    is_mask = traits.Bool(
        False, usedefault=True, parameter=True, desc="in_file is a mask: linear interpolation, cut at one half"
    )
    inverse = traits.Bool(
        False,
        usedefault=True,
        parameter=True,
        desc="apply the inverse: from the registration's reference to the orientation",
    )


class ApplyRigidOutputSpec(StageOutputSpec):
    """Outputs of `ApplyRigid`."""

    out_file = File(exists=True, desc="in_file on the grid of the reference")


class ApplyRigid(StageInterface):
    """Resample an image (cubic spline) or a mask into another grid through a rigid transform."""

    stage = "apply_rigid"
    method = "resampling through a rigid transform, cubic spline; masks linear"
    resources = Resources(volumes=8)
    input_spec = ApplyRigidInputSpec
    output_spec = ApplyRigidOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume, reference = load(self.inputs.in_file), load(self.inputs.reference)
        transform = torch.from_numpy(read_itk(self.inputs.transform))
        if self.inputs.inverse:
            transform = torch.linalg.inv(transform)
        data = volume.mask if self.inputs.is_mask else volume.data
        sampled = resample(data, volume.affine, transform, reference.affine, reference.data.shape[-3:])
        self._results["out_file"] = save(reference.with_data(sampled), cwd / "resampled.nii")
        return {"RotationAngle": round(rotation_angle(transform), 4)}
