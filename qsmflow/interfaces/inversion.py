"""From the local field of one orientation to susceptibility."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from nipype.interfaces.base import File, isdefined, traits

from qsmflow import config
from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import choose_weight, ilsqr, l2, medi, structure, tkd, tsvd, two_pass
from qsmflow.core.solve import Norms
from qsmflow.engines.resources import Resources
from qsmflow.settings import Settings

from .base import StageInterface, StageOutputSpec, with_settings
from .direction import DirectedInputSpec, Direction, direction, rounded
from .doubts import LOCAL, of_field
from .reference import ReferencedInputSpec, referenced
from .volume import Volume, load, load_magnitude, load_mask, save

#: What the input `b0` is, of the methods that take the field as a phase.
B0 = "field strength, T; needed with te"


@with_settings(config.TwoPass)
class InversionInputSpec(DirectedInputSpec, ReferencedInputSpec):
    """Inputs of every inversion."""

    in_file = File(exists=True, mandatory=True, desc="local field, ppm")
    mask = File(exists=True, mandatory=True, desc="where the local field is valid")


@with_settings(config.WeightChoice)
class WeightedInputSpec(InversionInputSpec):
    """Inputs of a method whose setting `weight` may be chosen on the data."""


class InversionOutputSpec(StageOutputSpec):
    """Outputs of every inversion."""

    out_file = File(exists=True, desc="susceptibility, ppm")


class Inversion(StageInterface):
    """Load field and mask, invert, save."""

    output_spec = InversionOutputSpec
    #: The settings of the method.
    group: ClassVar[type[Settings]]

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Susceptibility, ppm, and what was measured on the way."""
        raise NotImplementedError

    def _settings(self, volume: Volume, mask: torch.Tensor, b0_dir: Direction) -> tuple[dict[str, Any], dict[str, Any]]:
        """The settings, with the weight that the data choose where they shall; and the curve it was chosen by."""
        settings = self.settings(self.group)
        if "choose_weight" not in self.inputs.traits() or self.inputs.choose_weight == "none":
            return settings, {}

        def solve(weight: float, norms: Norms) -> torch.Tensor:
            self._round = f"weight {weight:.2g}: "
            return self._invert(volume, mask, b0_dir, {**settings, "weight": weight, "norms": norms})[0]

        def left(chi: torch.Tensor) -> float:
            return structure(volume.data - forward_field(chi, volume.voxel_size, b0_dir), mask)

        choice = choose_weight(solve, settings["weight"], self.inputs.choose_weight, left)
        self._round = ""
        curves = {
            "TriedWeights": choice.weights,
            "TriedMisfits": choice.misfits,
            "TriedPenalties": choice.penalties,
            "TriedChanges": choice.changes,
            "TriedStructures": choice.structures,
        }
        told: dict[str, Any] = {name: [float(f"{x:.4g}") for x in curve] for name, curve in curves.items()}
        if choice.chosen is None:
            self._warnings += (f"the data chose no weight; {settings['weight']:g} was kept, as it was set",)
            return settings, {**told, "ChosenWeight": "none: the curve has no such point; the weight is as it was set"}
        weight = float(f"{choice.chosen:.4g}")
        if choice.at_edge:
            self._warnings += (
                f"the weight {weight:g} that the data chose is at the edge of those tried; "
                "set the weight to it, so that others beyond it are tried",
            )
        self._replaced = {"weight": weight}
        return {**settings, "weight": weight}, {**told, "ChosenWeight": weight}

    def _passes(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """`_invert`, once or twice; of two passes the second tells what was measured."""
        if not self.inputs.two_pass:
            return self._invert(volume, mask, b0_dir, settings)
        told: dict[str, Any] = {}

        def invert(field: torch.Tensor) -> torch.Tensor:
            chi, measured = self._invert(volume.with_data(field), mask, b0_dir, settings)
            told.update(measured)
            return chi

        chi, strong = two_pass(invert, volume.data, mask, volume.voxel_size, b0_dir, threshold=self.inputs.two_pass)
        return chi, {**told, "StrongVoxels": strong}

    def _phase_scale(self) -> dict[str, Any]:
        """Echo time and field strength, where the method takes the field as a phase."""
        given = self.inputs.get_traitsfree()
        return {name: given[name] for name in ("te", "b0") if name in given}

    def _data_term(self) -> dict[str, str]:
        """Which data term was used, where there are two."""
        scale = self._phase_scale()
        return {"DataTerm": "nonlinear" if scale["te"] else "linear"} if scale else {}

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load(self.inputs.in_file)
        mask = load_mask(self.inputs.mask, volume)
        self._warnings += of_field(volume, mask, LOCAL)
        b0_dir = direction(self.inputs, volume)
        settings, chosen = self._settings(volume, mask, b0_dir)
        chi, measured = self._passes(volume, mask, b0_dir, settings)
        chi_map, zero = referenced(self.inputs, volume.with_data(chi), mask)
        self._results["out_file"] = save(chi_map, cwd / f"{self.stage}.nii")
        return {"B0Direction": rounded(b0_dir), **self._data_term(), **chosen, **measured, **zero}


class _Direct(Inversion):
    """Load field and mask, divide in k-space."""

    #: What inverts.
    function: ClassVar[Callable[..., torch.Tensor]]

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        return type(self).function(volume.data, mask, volume.voxel_size, b0_dir, **settings), {}


@with_settings(config.TKD)
class TKDInputSpec(InversionInputSpec):
    """Inputs of `TKD`."""


class TKD(_Direct):
    """Truncated k-space division."""

    stage = "tkd"
    method = "truncated k-space division"
    resources = Resources(volumes=28, cpus=2)
    input_spec = TKDInputSpec
    function = staticmethod(tkd)
    group = config.TKD


@with_settings(config.TSVD)
class TSVDInputSpec(InversionInputSpec):
    """Inputs of `TSVD`."""


class TSVD(_Direct):
    """Truncated singular value decomposition."""

    stage = "tsvd"
    method = "truncated singular value decomposition"
    resources = Resources(volumes=28, cpus=2)
    input_spec = TSVDInputSpec
    function = staticmethod(tsvd)
    group = config.TSVD


@with_settings(config.L2)
class L2InputSpec(WeightedInputSpec):
    """Inputs of `L2`."""


class L2(_Direct):
    """Closed-form inversion with a quadratic gradient penalty."""

    stage = "l2"
    method = "closed-form L2-regularised inversion"
    resources = Resources(volumes=28, cpus=2)
    input_spec = L2InputSpec
    function = staticmethod(l2)
    group = config.L2


@with_settings(config.ILSQR)
class ILSQRInputSpec(InversionInputSpec):
    """Inputs of `ILSQR`."""


class ILSQR(Inversion):
    """Least squares, then the streaking artefacts estimated and removed."""

    stage = "ilsqr"
    method = "iLSQR"
    quantity = "residual"
    group = config.ILSQR
    resources = Resources(volumes=36, cpus=2, minutes=2)
    input_spec = ILSQRInputSpec

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        chi, _ = ilsqr(volume.data, mask, volume.voxel_size, b0_dir, progress=self.tell, **settings)
        return chi, self.iterated()


@with_settings(config.MEDI)
class MEDIInputSpec(WeightedInputSpec):
    """Inputs of `MEDI`."""

    magnitude = File(exists=True, mandatory=True, desc="magnitude: the noise weights and the edges")
    te = traits.Float(
        0.0,
        usedefault=True,
        parameter=True,
        desc="echo time at which the field is a phase, s; without it, or 0: linear data term",
    )
    b0 = traits.Float(parameter=True, desc=B0)


class MEDI(Inversion):
    """Inversion whose gradient penalty spares the edges of the magnitude: nonlinear with `te`; with `csf`, MEDI+0."""

    stage = "medi"
    method = "morphology-enabled dipole inversion"
    group = config.MEDI
    resources = Resources(volumes=40, cpus=2, minutes=6)
    input_spec = MEDIInputSpec

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        chi, _ = medi(
            volume.data,
            load_magnitude(self.inputs.magnitude, volume, mask),
            mask,
            volume.voxel_size,
            b0_dir,
            **self._phase_scale(),
            csf=load_mask(self.inputs.csf, volume) if isdefined(self.inputs.csf) else None,
            progress=self.tell,
            **settings,
        )
        return chi, self.iterated()
