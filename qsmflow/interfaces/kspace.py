"""From raw data, or the images of the coils, to magnitude and phase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, InputMultiObject, OutputMultiObject, isdefined, traits
from skimage.filters import threshold_otsu

from qsmflow import config
from qsmflow.core.kspace.combine import adaptive_maps, combine_sets, root_sum_of_squares
from qsmflow.core.kspace.espirit import espirit
from qsmflow.core.kspace.fourier import to_image, to_kspace
from qsmflow.core.kspace.grappa import grappa
from qsmflow.core.kspace.offsets import offset_maps
from qsmflow.core.kspace.sampling import acquired, calibration_region
from qsmflow.core.phase import PHASE_UNITS
from qsmflow.core.unwrap import romeo
from qsmflow.engines.resources import Resources

from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .coils import EVERYTHING, load_coil_images, load_polar, open_coils, save_coil_images
from .volume import Volume, save


@with_settings(config.GRAPPA)
class GRAPPAInputSpec(StageInputSpec):
    """Inputs of `GRAPPA`."""

    in_file = InputMultiObject(
        File(exists=True), mandatory=True, desc="ISMRMRD raw data (.h5), of all echoes or one file an echo"
    )


class GRAPPAOutputSpec(StageOutputSpec):
    """Outputs of `GRAPPA`."""

    out_files = OutputMultiObject(File(exists=True), desc="complex images, the coils as the fourth axis, one an echo")


class GRAPPA(StageInterface):
    """Images of the coils from raw data: noise made white, missing samples filled by GRAPPA, transformed."""

    stage = "grappa"
    method = "GRAPPA"
    quantity = "share left"
    resources = Resources(volumes=50, volumes_per_image=9, cpus=2, minutes=0.25)
    input_spec = GRAPPAInputSpec
    output_spec = GRAPPAOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        for path in self.inputs.in_file:
            if Path(path).suffix != ".h5":
                raise ValueError(f"{path}: not raw data; in an image no sample of k-space is missing: give the .h5")
        coils = open_coils(self.inputs.in_file)
        shares, names = [], []
        for echo in range(len(coils.files)):
            kspace = coils.kspace(echo)
            self._round = f"echo {echo + 1}: "
            shares.append(float(acquired(kspace).float().mean()))
            filled = grappa(kspace, progress=self.tell, **self.settings(config.GRAPPA))
            images = torch.stack([to_image(coil)[coils.kept] for coil in filled])
            names.append(save_coil_images(Volume(images, coils.affine), cwd / f"coils_echo-{echo + 1}.nii"))
        self._results["out_files"] = names
        told = {} if min(shares) < 1 else {"Filled": "nothing: every sample was acquired"}
        return {
            "SharesAcquired": [round(share, 4) for share in shares],
            "Coils": len(images),
            "NoisePrewhitened": coils.prewhitened,
            **told,
        }


class _ImagesInputSpec(StageInputSpec):
    magnitude = InputMultiObject(
        File(exists=True), xor=["in_file"], requires=["phase"], desc="one file a coil, all of one echo after another"
    )
    phase = InputMultiObject(File(exists=True), requires=["magnitude"], desc="as stored, in the order of magnitude")
    phase_units = traits.Enum(
        *PHASE_UNITS,
        usedefault=True,
        parameter=True,
        desc="Units of the phase's sidecar; arbitrary: told from the range of the values",
    )
    te = traits.List(traits.Float(), parameter=True, desc="echo times, s; needed by offsets and for several echoes")


@with_settings(config.ESPIRiT)
class EspiritInputSpec(_ImagesInputSpec):
    """Inputs of `Espirit`: raw data, complex images, or magnitude and phase; the first echo is used."""

    in_file = InputMultiObject(
        File(exists=True),
        xor=["magnitude"],
        desc="ISMRMRD raw data (.h5), or complex images with the coils as the fourth axis, one file an echo",
    )


class EspiritOutputSpec(StageOutputSpec):
    """Outputs of `Espirit`."""

    out_file = File(exists=True, desc="complex maps, the coils as the fourth axis, the sets as the fifth")
    out_values = File(exists=True, desc="eigenvalues, the sets as the fourth axis: near one where there is signal")


class Espirit(StageInterface):
    """Coil sensitivities from the calibration region of the first echo."""

    stage = "espirit"
    method = "ESPIRiT"
    quantity = "share left"
    resources = Resources(volumes=50, volumes_per_image=6, cpus=2, minutes=1)
    input_spec = EspiritInputSpec
    output_spec = EspiritOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        if self.inputs.in_file:
            coils = open_coils(self.inputs.in_file)
            affine, kept, kspace = coils.affine, coils.kept, coils.kspace(0)
        else:
            images = _polar_echo(self.inputs, 0)
            affine, kept, kspace = images.affine, EVERYTHING, to_kspace(images.data)
        region = calibration_region(acquired(kspace))
        maps, values = espirit(kspace, progress=self.tell, **self.settings(config.ESPIRiT))
        maps, values = maps[(..., *kept)], values[(..., *kept)]
        self._results["out_file"] = save_coil_images(Volume(maps, affine), cwd / "maps.nii")
        self._results["out_values"] = save(Volume(values, affine), cwd / "values.nii")
        return {"CalibrationSamples": [part.stop - part.start for part in region], "Coils": len(kspace)}


@with_settings(config.CoilCombine)
class CoilCombineInputSpec(_ImagesInputSpec):
    """Inputs of `CoilCombine`: complex images, or magnitude and phase."""

    in_file = InputMultiObject(
        File(exists=True), xor=["magnitude"], desc="complex images, the coils as the fourth axis, one file an echo"
    )
    maps = File(exists=True, desc="sensitivities of the stage espirit, all its sets; needed by that method")


class CoilCombineOutputSpec(StageOutputSpec):
    """Outputs of `CoilCombine`."""

    out_magnitude = File(exists=True, desc="magnitude, echoes as the fourth axis")
    out_phase = File(exists=True, desc="phase, rad, echoes as the fourth axis")


class CoilCombine(StageInterface):
    """Combine the coils with one set of sensitivities for all echoes."""

    stage = "coil_combine"
    method = "coil combination"
    resources = Resources(volumes=30, volumes_per_image=6, cpus=2, minutes=0.5)
    input_spec = CoilCombineInputSpec
    output_spec = CoilCombineOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        echoes = len(self.inputs.in_file) if self.inputs.in_file else _echoes(self.inputs)
        first = self._echo(0)
        sets = self._sets(echoes, first)
        magnitude, phase = [], []
        for echo in range(echoes):
            images = self._echo(echo)
            _refuse_other(images, first)
            image = combine_sets(images.data, sets)
            magnitude.append(root_sum_of_squares(images.data) if self.inputs.rss else image.abs())
            phase.append(image.angle())
        self._results["out_magnitude"] = save(images.with_data(torch.stack(magnitude)), cwd / "magnitude.nii")
        self._results["out_phase"] = save(images.with_data(torch.stack(phase)), cwd / "phase.nii")
        name = {"espirit": "ESPIRiT", "adaptive": "adaptive combination", "offsets": "MCPC-3D-S"}[self.inputs.method]
        told = {"Method": f"coils combined by {name}", "Coils": sets.shape[1], "Echoes": echoes}
        return told | ({"MapSets": len(sets)} if len(sets) > 1 else {})

    def _echo(self, echo: int) -> Volume:
        """The images of the coils, complex64, (C, X, Y, Z)."""
        return load_coil_images(self.inputs.in_file[echo]) if self.inputs.in_file else _polar_echo(self.inputs, echo)

    def _sets(self, echoes: int, first: Volume) -> torch.Tensor:
        """Sets of sensitivities for images like `first`, complex64, (M, C, X, Y, Z)."""
        if self.inputs.method == "espirit":
            if not isdefined(self.inputs.maps):
                raise ValueError("the method espirit needs maps, made by the stage espirit")
            sets = load_coil_images(self.inputs.maps)
            _refuse_other(sets, first)
            return sets.data
        if self.inputs.method == "adaptive":
            every = torch.stack([self._echo(echo).data for echo in range(echoes)])
            return adaptive_maps(every, block=self.inputs.block).unsqueeze(0)
        te = list(self.inputs.te) if isdefined(self.inputs.te) else []
        if echoes < 2 or len(te) != echoes:
            raise ValueError(f"the method offsets needs two echoes and their times; got {len(te)} times of {echoes}")
        volumes = [self._echo(echo) for echo in range(2)]
        pair = torch.stack([volume.data for volume in volumes])
        bright = root_sum_of_squares(pair[0])
        mask = bright > float(threshold_otsu(bright.numpy()))
        maps = offset_maps(
            pair,
            te,
            volumes[0].voxel_size,
            mask,
            lambda phase, weight: romeo(phase, weight, mask),
            smoothing=self.inputs.smoothing,
        )
        return maps.unsqueeze(0)


def _refuse_other(images: Volume, first: Volume) -> None:
    """Raise ValueError unless `images` has the coils and the grid of `first`."""
    coils, wanted = images.data.shape[-4], first.data.shape[-4]
    if coils != wanted:
        raise ValueError(f"{images.path}: {coils} coils, but {wanted} in {first.path}; give those of one scan")
    images.refuse_apart(first)


def _echoes(inputs: Any) -> int:
    return len(inputs.te) if isdefined(inputs.te) else 1


def _polar_echo(inputs: Any, echo: int) -> Volume:
    """The images of the coils of one echo from magnitude and phase."""
    if not inputs.magnitude:
        raise ValueError("neither in_file nor magnitude and phase are given")
    count, rest = divmod(len(inputs.magnitude), _echoes(inputs))
    if rest:
        raise ValueError(f"{len(inputs.magnitude)} images are not those of as many coils for {_echoes(inputs)} echoes")
    own = slice(echo * count, (echo + 1) * count)
    return load_polar(inputs.magnitude[own], inputs.phase[own], inputs.phase_units)
