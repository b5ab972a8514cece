"""What all stages share: settings as traits, a report of what was done, and a hash that knows the code."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import math
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_type_hints

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)

import qsmflow
from qsmflow.engines import progress
from qsmflow.engines.resources import Resources
from qsmflow.errors import UsageError
from qsmflow.settings import Settings

from .acquired import check_acquired

Spec = TypeVar("Spec", bound=BaseInterfaceInputSpec)


class StageInputSpec(BaseInterfaceInputSpec):
    """Inputs every stage has."""

    num_threads = traits.Int(1, usedefault=True, nohash=True, desc="CPU threads")
    #: The settings that `with_settings` gave traits of.
    groups: ClassVar[tuple[type[Settings], ...]] = ()
    code_version = traits.Str(hidden=True, desc="hash of the code, so that a cached result of other code is not reused")


class StageOutputSpec(TraitedSpec):
    """Outputs every stage has."""

    out_report = traits.Dict(desc="stage, method, parameters, measured numbers and software, for the sidecar")


def with_settings(settings: type[Settings]) -> Callable[[type[Spec]], type[Spec]]:
    """Class decorator: give an input spec one trait for each field of `settings`, with its default and meaning."""

    def decorate(spec: type[Spec]) -> type[Spec]:
        hints = get_type_hints(settings)
        for item in dataclasses.fields(settings):
            spec.add_class_trait(item.name, _trait(item, hints[item.name]))
        spec.groups = (*getattr(spec, "groups", ()), settings)
        return spec

    return decorate


def _trait(item: dataclasses.Field[Any], hint: Any) -> Any:
    meta: dict[str, Any] = {"usedefault": True, "desc": item.metadata["doc"], "setting": True}
    if item.metadata["choices"]:
        return traits.Enum(item.default, list(item.metadata["choices"]), **meta)
    if hint is bool:
        return traits.Bool(item.default, **meta)
    if hint is str:
        return traits.Str(item.default, **meta)
    default: Any = item.default
    low, above, high = (item.metadata[name] for name in ("low", "above", "high"))
    lowest = low if above is None else above
    number = int if hint is int else float
    return traits.Range(
        value=number(default),
        low=None if lowest is None else number(lowest),
        high=None if high is None else number(high),
        exclude_low=above is not None,
        **meta,
    )


class StageInterface(SimpleInterface):
    """Base of the stages: subclasses load, call one function of `qsmflow.core`, save, and return what they measured."""

    #: Name of the stage everywhere: command line, settings, documentation.
    stage: ClassVar[str]
    #: What it does, in the words of the field; goes into the sidecar.
    method: ClassVar[str]
    resources: ClassVar[Resources]
    #: What a solver of the stage says of each iteration beside its number.
    quantity: ClassVar[str] = "change"
    input_spec = StageInputSpec
    output_spec = StageOutputSpec
    #: Where it runs; what it does just now, where that is one of several rounds; and the last that its solver said.
    _folder: Path | None = None
    _round = ""
    _told: tuple[int, float] | None = None
    #: Settings that were replaced by what the data chose, and what the user should look at.
    _replaced: Mapping[str, Any] = {}
    _warnings: tuple[str, ...] = ()

    def __init__(self, **inputs: Any) -> None:
        super().__init__(**inputs)
        self.inputs.code_version = code_hash()

    def _run_interface(self, runtime: Any) -> Any:
        import torch

        self.check()
        torch.set_num_threads(self.inputs.num_threads)
        self._folder, self._round, self._told = Path(runtime.cwd), "", None
        self._replaced, self._warnings = {}, ()
        try:
            measured = self._stage(self._folder)
        finally:
            progress.clear(self._folder)
        self._warn_where_unfinished()
        device = measured.pop("Device", "cpu")
        self._results["out_report"] = {
            "Stage": self.stage,
            "Method": measured.pop("Method", self.method),
            "Parameters": {**self._parameters(), **self._replaced},
            "Measured": {name: _without_nan(value) for name, value in measured.items()},
            **({"Warnings": list(self._warnings)} if self._warnings else {}),
            "Software": software_versions(),
            "Device": device,
        }
        return runtime

    def tell(self, iteration: int, value: float) -> None:
        """Hear an iteration of a solver, and pass it on: to the log, and to whoever holds the graph."""
        self._told = iteration, value
        line = f"{self._round}iteration {iteration}, {self.quantity} {value:.3g}"
        logging.getLogger("nipype.interface").info("%s: %s", self.stage, line)
        if self._folder is not None:
            progress.leave(self._folder, line)

    def iterated(self) -> dict[str, Any]:
        """How many iterations the last solver took and the last that it said, for the sidecar."""
        if self._told is None:
            return {}
        iteration, value = self._told
        return {"Iterations": iteration, f"Relative{self.quantity.capitalize()}": float(f"{value:.2e}")}

    def _warn_where_unfinished(self) -> None:
        """Warn where the last solver ended at its limit; a tolerance of zero asks for all iterations."""
        settings = self._parameters()
        if self._told is None or not {"tolerance", "max_iterations"} <= settings.keys():
            return
        iteration, value = self._told
        if iteration >= settings["max_iterations"] and value > settings["tolerance"] > 0:
            self._warnings += (
                f"stopped after {iteration} iterations with a {self.quantity} of {value:.2g}, above the tolerance of "
                f"{settings['tolerance']:g}; raise max_iterations or tolerance",
            )

    def check(self) -> None:
        """Refuse, by a `UsageError`, settings and values of the acquisition that cannot be used."""
        if self.inputs.num_threads < 1:
            raise UsageError(f"num_threads: {self.inputs.num_threads} is below 1")
        for group in self.input_spec.groups:
            group(**self.settings(group))
        check_acquired(self.inputs.get())

    def _stage(self, cwd: Path) -> dict[str, Any]:
        """Do the work, put the outputs into ``self._results`` and return the numbers worth telling."""
        raise NotImplementedError

    def _parameters(self) -> dict[str, Any]:
        return {
            name: getattr(self.inputs, name)
            for name, trait in sorted(self.inputs.traits(transient=None).items())
            if (trait.setting or trait.parameter) and isdefined(getattr(self.inputs, name))
        }

    def settings(self, group: type[Settings]) -> dict[str, Any]:
        """The values of the traits that came from `group`, by name."""
        return {item.name: getattr(self.inputs, item.name) for item in dataclasses.fields(group)}


def _without_nan(value: Any) -> Any:
    """A measured value with None for what no JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return [_without_nan(one) for one in value] if isinstance(value, list | tuple) else value


@functools.cache
def code_hash() -> str:
    """Hash of the package's code that computes: everything that reads or computes."""
    digest = hashlib.sha256()
    root = Path(qsmflow.__file__).parent
    for room in ("bids", "core", "phantom", "nets", "interfaces"):
        for path in sorted((root / room).rglob("*.py")):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def software_versions() -> dict[str, str]:
    """Versions of what computes a result."""
    packages = ("torch", "numpy", "scipy", "nibabel", "nipype", "warpkit")
    return {
        "qsmflow": qsmflow.__version__,
        **{name: version(name) for name in packages},
        "python": platform.python_version(),
    }
