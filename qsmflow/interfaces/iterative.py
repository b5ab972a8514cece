"""Inversions by iterations that stop by themselves, from the local field of one orientation to susceptibility."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from nipype.interfaces.base import File, isdefined, traits

from qsmflow import config
from qsmflow.core.inversion import ndi, rts, tgv, tv, whtv
from qsmflow.engines.resources import Resources

from .base import with_settings
from .direction import Direction
from .inversion import B0, Inversion, WeightedInputSpec
from .volume import Volume, load_magnitude


class _IterativeInputSpec(WeightedInputSpec):
    magnitude = File(
        exists=True, desc="magnitude: where it is low the field weighs less; without it all weigh the same"
    )


class _PhaseInputSpec(_IterativeInputSpec):
    te = traits.Float(
        mandatory=True, parameter=True, desc="echo time at which the field is a phase, s; 0: linear data term"
    )
    b0 = traits.Float(parameter=True, desc=B0)


class _Iterative(Inversion):
    """Load field, mask and magnitude, iterate, tell how it went."""

    #: What inverts.
    function: ClassVar[Callable[..., tuple[torch.Tensor, list[float]]]]

    def _invert(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        magnitude = load_magnitude(self.inputs.magnitude, volume, mask) if isdefined(self.inputs.magnitude) else None
        chi, _ = type(self).function(
            volume.data,
            mask,
            volume.voxel_size,
            b0_dir,
            magnitude=magnitude,
            progress=self.tell,
            **self._phase_scale(),
            **settings,
        )
        return chi, self.iterated()


@with_settings(config.RTS)
class RTSInputSpec(_IterativeInputSpec):
    """Inputs of `RTS`."""


class RTS(_Iterative):
    """Rapid two-step inversion."""

    stage = "rts"
    method = "rapid two-step inversion"
    resources = Resources(volumes=32, cpus=2, minutes=1)
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
    resources = Resources(volumes=32, cpus=2, minutes=2)
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
    resources = Resources(volumes=32, cpus=2, minutes=2)
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
    resources = Resources(volumes=78, cpus=2, minutes=2)
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
    resources = Resources(volumes=78, cpus=2, minutes=2)
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
    resources = Resources(volumes=32, cpus=2, minutes=1)
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
    resources = Resources(volumes=48, cpus=2, minutes=2)
    input_spec = WHTVInputSpec
    function = staticmethod(whtv)
    group = config.WHTV

    def _passes(
        self, volume: Volume, mask: torch.Tensor, b0_dir: Direction, settings: Mapping[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        chi, measured = super()._passes(volume, mask, b0_dir, settings)
        # The map of each pass has a mean of zero in the mask; the strong sources, which the second adds, have not.
        return (chi - chi[mask].mean()) * mask, measured
