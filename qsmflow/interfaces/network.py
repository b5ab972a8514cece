"""Stages that are trained networks: from local field to susceptibility, and noise out of a local field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, isdefined, traits

from qsmflow import config
from qsmflow.core.noise import noise_of_field
from qsmflow.engines.allowed import available_memory_gb
from qsmflow.engines.resources import BASE_GB, Resources
from qsmflow.errors import InputError
from qsmflow.nets import Prediction, predict
from qsmflow.nets.slabs import TooLittleMemoryError
from qsmflow.nets.upright import Upright
from qsmflow.nets.weights import absolute, check, digest, find, several, while_unchanged

from .base import StageInputSpec, StageInterface, StageOutputSpec, with_settings
from .direction import DirectedInputSpec, Direction, direction, rounded
from .inversion import Inversion, InversionInputSpec, InversionOutputSpec
from .volume import Volume, load, load_magnitude, load_mask, save

#: Volumes of the image's grid that are held beside what the network needs.
_BESIDE = 12
#: With this a network of 32 channels has its first level in slabs; a head in voxels of 1 mm has some four million.
_RESOURCES = Resources(volumes=100, cpus=64, gpus=1, minutes=1, least_voxels=4_000_000)

_version = while_unchanged(digest)


class NetworkInputSpec(StageInputSpec):
    """Inputs of every network."""

    noise = File(exists=True, desc="standard deviation of the field, ppm, for networks that ask for it")
    magnitude = File(exists=True, desc="any unit; without a map of the noise it tells how that is distributed")
    use_gpu = traits.Bool(False, usedefault=True, nohash=True, desc="compute on a CUDA device")
    memory = traits.Float(
        0.0,
        usedefault=True,
        nohash=True,
        desc="memory that the stage may take, on a GPU that of the GPU, GB; 0: what is free",
    )
    weights_version = traits.Str(hidden=True, desc="sha256 of the weights, so that retrained ones are used")


class Network(StageInterface):
    """What the networks share: their weights, and what they are run on."""

    #: ``chi`` or ``field``.
    output = "chi"

    def __init__(self, **inputs: Any) -> None:
        super().__init__(**inputs)
        self.inputs.on_trait_change(self._know_weights, "weights")
        self._know_weights()

    def _know_weights(self) -> None:
        """Put the sha256 of the weights where the cache sees it; what cannot be found is refused when it is run.

        That is in another folder, where a relative path would be lost.
        """
        self.inputs.trait_setq(weights=absolute(self.inputs.weights))
        try:
            self.inputs.weights_version = " ".join(_version(find(one)) for one in several(self.inputs.weights))
        except InputError:
            self.inputs.weights_version = "missing"

    def _predict(self, volume: Volume, mask: torch.Tensor, b0_dir: Direction) -> Prediction:
        """`predict` of the volume upright, its maps as the volume is stored."""
        check(self.inputs.weights, self.output)
        upright = Upright.of(volume.affine)
        noise = self._noise(volume, mask)
        if self.inputs.use_gpu and not torch.cuda.is_available():
            raise InputError("use_gpu: this machine has no CUDA device that torch can use; take --no-use_gpu")
        memory, beside = self._memory(volume)
        try:
            made = predict(
                upright.turn(volume.data),
                upright.turn(mask),
                upright.sizes(volume.voxel_size),
                upright.direction(b0_dir),
                several(self.inputs.weights),
                noise=None if noise is None else upright.turn(noise),
                device="cuda" if self.inputs.use_gpu else "cpu",
                precision=self.inputs.precision,
                memory=None if memory is None else max(0.0, memory - beside),
            )
        except TooLittleMemoryError as error:
            given = error.given if memory is None else 1e9 * memory
            raise TooLittleMemoryError(error.voxels, error.least + 1e9 * beside, given) from error
        return Prediction(upright.back(made.map), None if made.sd is None else upright.back(made.sd), made.told)

    def _noise(self, volume: Volume, mask: torch.Tensor) -> torch.Tensor | None:
        """Standard deviation of the field: as given, or by the magnitude, or not known."""
        if isdefined(self.inputs.noise):
            return load_magnitude(self.inputs.noise, volume, mask, what="map of the noise")
        if isdefined(self.inputs.magnitude):
            return noise_of_field(volume.data, mask, load_magnitude(self.inputs.magnitude, volume, mask))
        return None

    def _memory(self, volume: Volume) -> tuple[float | None, float]:
        """GB that the stage may take, None for what is free on a GPU, and of these what it takes beside the network."""
        memory = self.inputs.memory
        if not 0 <= memory < math.inf:
            raise InputError(f"memory: {memory} GB; give a number above 0, or 0 for what is free")
        if self.inputs.use_gpu:
            return memory or None, 0.0
        return memory or available_memory_gb(), BASE_GB + _BESIDE * volume.data.numel() * 4 / 1e9


class NetworkInversionInputSpec(InversionInputSpec, NetworkInputSpec):
    """Inputs of a network that inverts."""


class NetworkInversionOutputSpec(InversionOutputSpec):
    """Outputs of a network that inverts."""

    out_sd = File(desc="standard deviation between several weights, ppm")


class NetworkInversion(Network, Inversion):
    """Load field and mask, invert, save."""

    output_spec = NetworkInversionOutputSpec
    resources = _RESOURCES

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        made = self._predict(volume, mask, b0_dir)
        if made.sd is not None:
            self._results["out_sd"] = save(volume.with_data(made.sd), Path(f"{self.stage}_sd.nii").absolute())
        return made.map, made.told


@with_settings(config.QSMnet)
class QSMnetInputSpec(NetworkInversionInputSpec):
    """Inputs of `QSMnet`."""


class QSMnet(NetworkInversion):
    """Inversion by a U-Net trained on susceptibility maps."""

    stage = "qsmnet"
    method = "QSMnet"
    group = config.QSMnet
    input_spec = QSMnetInputSpec


@with_settings(config.QSMnetPlus)
class QSMnetPlusInputSpec(NetworkInversionInputSpec):
    """Inputs of `QSMnetPlus`."""


class QSMnetPlus(NetworkInversion):
    """QSMnet, trained on scaled susceptibilities for lesions."""

    stage = "qsmnet_plus"
    method = "QSMnet+"
    group = config.QSMnetPlus
    input_spec = QSMnetPlusInputSpec


@with_settings(config.SIQSM)
class SIQSMInputSpec(NetworkInversionInputSpec):
    """Inputs of `SIQSM`."""


class SIQSM(NetworkInversion):
    """Inversion by a network of field and mask, trained on spheres and cylinders."""

    stage = "siqsm"
    method = "SI-QSM"
    group = config.SIQSM
    input_spec = SIQSMInputSpec


@with_settings(config.DeepQSM)
class DeepQSMInputSpec(NetworkInversionInputSpec):
    """Inputs of `DeepQSM`."""


class DeepQSM(NetworkInversion):
    """Inversion by a smaller U-Net, trained on cubes and spheres."""

    stage = "deepqsm"
    method = "DeepQSM"
    group = config.DeepQSM
    input_spec = DeepQSMInputSpec


@with_settings(config.Denoiser)
class DenoiserInputSpec(DirectedInputSpec, NetworkInputSpec):
    """Inputs of `Denoiser`."""

    in_file = File(exists=True, mandatory=True, desc="local field, ppm")
    mask = File(exists=True, mandatory=True, desc="where the local field is valid")


class DenoiserOutputSpec(StageOutputSpec):
    """Outputs of `Denoiser`."""

    out_file = File(exists=True, desc="local field with less noise, ppm")


class Denoiser(Network):
    """Noise taken out of a local field."""

    stage = "denoiser"
    method = "U-Net denoiser of the field"
    output = "field"
    resources = _RESOURCES
    input_spec = DenoiserInputSpec
    output_spec = DenoiserOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load(self.inputs.in_file)
        mask = load_mask(self.inputs.mask, volume)
        b0_dir = direction(self.inputs, volume)
        made = self._predict(volume, mask, b0_dir)
        self._results["out_file"] = save(volume.with_data(made.map), cwd / "denoised.nii")
        return {"B0Direction": rounded(b0_dir), **made.told}
