"""Into and out of the graph: what the user supplies, and what is kept."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import torch
from nipype.interfaces.base import File, SimpleInterface, isdefined, traits

from qsmflow.bids.naming import sidecar_path
from qsmflow.bids.write import write_atomic, write_json
from qsmflow.engines.resources import Resources

from .base import StageInputSpec, StageInterface, StageOutputSpec
from .volume import as_labels, as_mask, load, save


class SuppliedInputSpec(StageInputSpec):
    """Inputs of `Supplied`."""

    in_file = File(exists=True, mandatory=True, desc="an intermediate that the user supplies")
    is_mask = traits.Bool(False, usedefault=True, parameter=True, desc="it is a mask: everything above zero is inside")
    is_labels = traits.Bool(False, usedefault=True, parameter=True, desc="it is a map of labels")


class SuppliedOutputSpec(StageOutputSpec):
    """Outputs of `Supplied`."""

    out_file = File(exists=True, desc="the same, in the form in which the stages pass images on")


class Supplied(StageInterface):
    """Take an intermediate from a derivative dataset; what is not finite becomes zero and is counted."""

    stage = "supplied"
    method = "supplied by the user"
    resources = Resources(volumes=4)
    input_spec = SuppliedInputSpec
    output_spec = SuppliedOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        volume = load(self.inputs.in_file)
        bad = int((~torch.isfinite(volume.data)).sum())
        volume = volume.finite()
        data = as_mask(volume) if self.inputs.is_mask else as_labels(volume) if self.inputs.is_labels else volume.data
        self._results["out_file"] = save(volume.with_data(data), cwd / "supplied.nii")
        return {"SuppliedFile": str(self.inputs.in_file), "NonFiniteSetToZero": bad}


class SaveDerivativeInputSpec(StageInputSpec):
    """Inputs of `SaveDerivative`."""

    in_file = File(exists=True, mandatory=True, desc="what to keep")
    in_report = traits.Dict(desc="report of the stage that made it")
    more_report = traits.Dict(desc="report of a stage that measured something about it; joins the numbers")
    out_path = traits.Str(mandatory=True, hash_files=False, desc="where it is kept; what stands there is not an input")
    sidecar = traits.Dict(desc="constant part of the sidecar")


class SaveDerivativeOutputSpec(StageOutputSpec):
    """Outputs of `SaveDerivative`."""

    out_file = File(exists=True, desc="the derivative")


class SaveDerivative(SimpleInterface):
    """Write a file and its sidecar into the derivative dataset, each as a whole; the sidecar comes first.

    Identical content gives identical bytes: the compressed file carries no time.
    """

    resources = Resources(volumes=1, minutes=0)
    input_spec = SaveDerivativeInputSpec
    output_spec = SaveDerivativeOutputSpec

    def _run_interface(self, runtime: Any) -> Any:
        source, target = Path(self.inputs.in_file), Path(self.inputs.out_path)
        report = self.inputs.in_report if isdefined(self.inputs.in_report) else {}
        constant = self.inputs.sidecar if isdefined(self.inputs.sidecar) else {}
        if isdefined(self.inputs.more_report):
            report = {**report, "Measured": {**report["Measured"], **self.inputs.more_report["Measured"]}}
        write_json(sidecar_path(target), {**constant, **report})
        compress = target.name.endswith(".gz") and not source.name.endswith(".gz")
        write_atomic(target, lambda temporary: _compress(source, temporary) if compress else _copy(source, temporary))
        self._results["out_file"] = str(target)
        return runtime


def _compress(source: Path, target: Path) -> None:
    with (
        source.open("rb") as plain,
        target.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=3, mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed, 1 << 20)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
