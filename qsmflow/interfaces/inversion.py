"""From the local field of one orientation to susceptibility."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from nipype.interfaces.base import File, isdefined, traits

from qsmflow import config
from qsmflow.core.inversion import choose_weight, ilsqr, l2, medi, ndi, rts, tgv, tkd, tsvd, tv, two_pass, whtv
from qsmflow.core.solve import Norms
from qsmflow.engines.resources import Resources

from .base import StageInterface, StageOutputSpec, with_settings
from .direction import DirectedInputSpec, Direction, direction, rounded
from .reference import ReferencedInputSpec, referenced
from .volume import Volume, load, save


@with_settings(config.TwoPass)
class _InversionInputSpec(DirectedInputSpec, ReferencedInputSpec):
    in_file = File(exists=True, mandatory=True, desc="local field, ppm")
    mask = File(exists=True, mandatory=True, desc="where the local field is valid")


@with_settings(config.WeightChoice)
class _WeightedInputSpec(_InversionInputSpec):
    """Inputs of a method whose setting `weight` may be chosen on the data."""


class InversionOutputSpec(StageOutputSpec):
    """Outputs of every inversion."""

    out_file = File(exists=True, desc="susceptibility, ppm")


class _Inversion(StageInterface):
    """Load field and mask, invert, save."""

    output_spec = InversionOutputSpec
    #: The settings of the method.
    group: ClassVar[type[config.Settings]]

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
            return self._invert(volume, mask, b0_dir, {**settings, "weight": weight, "norms": norms})[0]

        choice = choose_weight(solve, settings["weight"], self.inputs.choose_weight)
        curves = {
            "TriedWeights": choice.weights,
            "TriedMisfits": choice.misfits,
            "TriedPenalties": choice.penalties,
            "TriedChanges": choice.changes,
        }
        told: dict[str, Any] = {name: [float(f"{x:.4g}") for x in curve] for name, curve in curves.items()}
        if choice.chosen is None:
            return settings, {**told, "ChosenWeight": "none: the curve has no such point; the weight is as it was set"}
        return {**settings, "weight": choice.chosen}, {**told, "ChosenWeight": float(f"{choice.chosen:.4g}")}

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

        chi, strong = two_pass(
            invert, volume.data, mask, volume.voxel_size, b0_dir, threshold=self.inputs.two_pass
        )
        return chi, {**told, "StrongVoxels": strong}

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume, mask = load(self.inputs.in_file), load(self.inputs.mask).mask
        b0_dir = direction(self.inputs, volume)
        settings, chosen = self._settings(volume, mask, b0_dir)
        chi, measured = self._passes(volume, mask, b0_dir, settings)
        chi, zero = referenced(self.inputs, chi, mask)
        self._results["out_file"] = save(volume.with_data(chi), cwd / f"{self.stage}.nii")
        return {"B0Direction": rounded(b0_dir), **chosen, **measured, **zero}


class _IterativeInputSpec(_WeightedInputSpec):
    magnitude = File(exists=True, desc="magnitude: where it is low the field weighs less; without it all weigh the same")


class _PhaseInputSpec(_IterativeInputSpec):
    te = traits.Float(
        mandatory=True, parameter=True, desc="echo time at which the field is a phase, s; 0: linear data term"
    )
    b0 = traits.Float(3.0, usedefault=True, parameter=True, desc="field strength, T")


class _Iterative(_Inversion):
    """By iterations that stop by themselves."""

    #: What inverts.
    function: ClassVar[Callable[..., tuple[torch.Tensor, list[float]]]]

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        given = self.inputs.get()
        magnitude = load(self.inputs.magnitude).data if isdefined(self.inputs.magnitude) else None
        chi, changes = type(self).function(
            volume.data,
            mask,
            volume.voxel_size,
            b0_dir,
            magnitude=magnitude,
            progress=self._tell,
            **{name: given[name] for name in ("te", "b0") if name in given},
            **settings,
        )
        return chi, {"Iterations": len(changes), "RelativeChange": float(f"{changes[-1]:.2e}")}

    def _tell(self, iteration: int, change: float) -> None:
        logging.getLogger("nipype.interface").info("%s: iteration %d, change %.4f", self.stage, iteration, change)


@with_settings(config.TKD)
class TKDInputSpec(_InversionInputSpec):
    """Inputs of `TKD`."""


class TKD(_Inversion):
    """Truncated k-space division."""

    stage = "tkd"
    method = "truncated k-space division"
    group = config.TKD
    resources = Resources(volumes=28, cpus=2)
    input_spec = TKDInputSpec

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        return tkd(volume.data, mask, volume.voxel_size, b0_dir, **settings), {}


@with_settings(config.TSVD)
class TSVDInputSpec(_InversionInputSpec):
    """Inputs of `TSVD`."""


class TSVD(_Inversion):
    """Truncated singular value decomposition."""

    stage = "tsvd"
    method = "truncated singular value decomposition"
    group = config.TSVD
    resources = Resources(volumes=28, cpus=2)
    input_spec = TSVDInputSpec

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        return tsvd(volume.data, mask, volume.voxel_size, b0_dir, **settings), {}


@with_settings(config.L2)
class L2InputSpec(_WeightedInputSpec):
    """Inputs of `L2`."""


class L2(_Inversion):
    """Closed-form inversion with a quadratic gradient penalty."""

    stage = "l2"
    method = "closed-form L2-regularised inversion"
    group = config.L2
    resources = Resources(volumes=28, cpus=2)
    input_spec = L2InputSpec

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        return l2(volume.data, mask, volume.voxel_size, b0_dir, **settings), {}


@with_settings(config.ILSQR)
class ILSQRInputSpec(_InversionInputSpec):
    """Inputs of `ILSQR`."""


class ILSQR(_Inversion):
    """Least squares, then the streaking artefacts estimated and removed."""

    stage = "ilsqr"
    method = "iLSQR"
    group = config.ILSQR
    resources = Resources(volumes=36, cpus=2, minutes=6)
    input_spec = ILSQRInputSpec

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        chi, residuals = ilsqr(volume.data, mask, volume.voxel_size, b0_dir, **settings)
        return chi, {"Iterations": len(residuals), "RelativeResidual": float(f"{residuals[-1]:.2e}")}


@with_settings(config.RTS)
class RTSInputSpec(_IterativeInputSpec):
    """Inputs of `RTS`."""


class RTS(_Iterative):
    """Rapid two-step inversion."""

    stage = "rts"
    method = "rapid two-step inversion"
    resources = Resources(volumes=28, cpus=2)
    input_spec = RTSInputSpec
    function = staticmethod(rts)
    group = config.RTS


@with_settings(config.TV)
class TVInputSpec(_IterativeInputSpec):
    """Inputs of `TV`."""


class TV(_Iterative):
    """Inversion with a penalty of total variation."""

    stage = "tv"
    method = "total-variation inversion"
    resources = Resources(volumes=28, cpus=2)
    input_spec = TVInputSpec
    function = staticmethod(tv)
    group = config.TV


@with_settings(config.NLTV)
class NLTVInputSpec(_PhaseInputSpec):
    """Inputs of `NLTV`."""


class NLTV(_Iterative):
    """Nonlinear inversion with a penalty of total variation."""

    stage = "nltv"
    method = "nonlinear total-variation inversion"
    resources = Resources(volumes=28, cpus=2)
    input_spec = NLTVInputSpec
    function = staticmethod(tv)
    group = config.NLTV


@with_settings(config.TGV)
class TGVInputSpec(_IterativeInputSpec):
    """Inputs of `TGV`."""


class TGV(_Iterative):
    """Inversion with a penalty of total generalised variation."""

    stage = "tgv"
    method = "total-generalised-variation inversion"
    resources = Resources(volumes=64, cpus=2)
    input_spec = TGVInputSpec
    function = staticmethod(tgv)
    group = config.TGV


@with_settings(config.NLTGV)
class NLTGVInputSpec(_PhaseInputSpec):
    """Inputs of `NLTGV`."""


class NLTGV(_Iterative):
    """Nonlinear inversion with a penalty of total generalised variation."""

    stage = "nltgv"
    method = "nonlinear total-generalised-variation inversion"
    resources = Resources(volumes=64, cpus=2)
    input_spec = NLTGVInputSpec
    function = staticmethod(tgv)
    group = config.NLTGV


@with_settings(config.NDI)
class NDIInputSpec(_PhaseInputSpec):
    """Inputs of `NDI`."""


class NDI(_Iterative):
    """Nonlinear dipole inversion."""

    stage = "ndi"
    method = "nonlinear dipole inversion"
    resources = Resources(volumes=28, cpus=2)
    input_spec = NDIInputSpec
    function = staticmethod(ndi)
    group = config.NDI


@with_settings(config.WHTV)
class WHTVInputSpec(_PhaseInputSpec):
    """Inputs of `WHTV`."""


class WHTV(_Iterative):
    """Total-variation inversion that takes out the background that is left."""

    stage = "whtv"
    method = "weak-harmonic total-variation inversion"
    resources = Resources(volumes=40, cpus=2)
    input_spec = WHTVInputSpec
    function = staticmethod(whtv)
    group = config.WHTV


@with_settings(config.MEDI)
class MEDIInputSpec(_WeightedInputSpec):
    """Inputs of `MEDI`."""

    magnitude = File(exists=True, mandatory=True, desc="magnitude: the noise weights and the edges")
    te = traits.Float(
        0.0, usedefault=True, parameter=True, desc="echo time at which the field is a phase, s; 0: linear data term"
    )
    b0 = traits.Float(3.0, usedefault=True, parameter=True, desc="field strength, T")


class MEDI(_Inversion):
    """Nonlinear inversion whose gradient penalty spares the edges of the magnitude; with `csf`, MEDI+0."""

    stage = "medi"
    method = "morphology-enabled dipole inversion"
    group = config.MEDI
    resources = Resources(volumes=40, cpus=2, minutes=12)
    input_spec = MEDIInputSpec

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        chi, changes = medi(
            volume.data,
            load(self.inputs.magnitude).data,
            mask,
            volume.voxel_size,
            b0_dir,
            te=self.inputs.te,
            b0=self.inputs.b0,
            csf=load(self.inputs.csf).mask if isdefined(self.inputs.csf) else None,
            **settings,
        )
        return chi, {"Iterations": len(changes), "RelativeChange": float(f"{changes[-1]:.2e}")}
