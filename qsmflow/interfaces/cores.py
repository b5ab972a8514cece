"""The embedded regions: approximate cores of the deep nuclei, placed by the susceptibility map itself."""

from __future__ import annotations

import csv
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nipype.interfaces.base import File

from qsmflow.core.registration import affine_register
from qsmflow.core.registration.cores import Core, Placed, place_cores
from qsmflow.engines.resources import Resources
from qsmflow.phantom.cortex import brain_hull
from qsmflow.phantom.deep import ventricles
from qsmflow.phantom.shapes import mirrored

from .base import StageInputSpec, StageInterface, StageOutputSpec
from .registered import registered
from .volume import Volume, load, save

#: The cores that come with the package.
TABLE = Path(str(resources.files("qsmflow") / "data" / "atlas" / "cores.tsv"))
#: ppm: with less contrast than this nothing is labelled. Heads have 0.038 and more, noise and veins alone 0.014.
_LEAST = 0.025
#: Corners of the template's box, its voxel, mm, and how bright its fluid is, where tissue is 1.
_LOW, _HIGH, _SPACING, _FLUID = (-84.0, -114.0, -75.0), (84.0, 84.0, 93.0), 3.0, 1.6


def read_cores(table: Path) -> dict[Core, str]:
    """The cores of a table and their names.

    Raises
    ------
    ValueError
        A column is missing or a value is not a number.
    """
    lines = [line for line in table.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    try:
        return {_core(row): row["name"] for row in csv.DictReader(lines, delimiter="\t")}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{table}: not a table of cores ({error!r}); see {TABLE}") from error


def _core(row: dict[str, str]) -> Core:
    x, y, z, rx, ry, rz, weight = (float(row[name]) for name in ("x", "y", "z", "rx", "ry", "rz", "weight"))
    return Core(int(row["index"]), row["group"], (x, y, z), (rx, ry, rz), weight)


def template() -> Volume:
    """The outline of a brain with its ventricles, of formulas, in the space of the cores."""
    axes = [torch.arange(low, high, _SPACING) for low, high in zip(_LOW, _HIGH, strict=True)]
    x, y, z = torch.meshgrid(*axes, indexing="ij")
    side = mirrored((x, y, z))
    affine = np.diag([_SPACING, _SPACING, _SPACING, 1.0])
    affine[:3, 3] = _LOW
    data = (brain_hull(side) < 0) * torch.where(ventricles(side) < 0, _FLUID, 1.0)
    return Volume(data, affine, "the template of the cores")


class PlaceCoresInputSpec(StageInputSpec):
    """Inputs of `PlaceCores`."""

    in_file = File(exists=True, mandatory=True, desc="susceptibility map, ppm, zero where it is not known")
    magnitude = File(exists=True, mandatory=True, desc="magnitude of the series")
    mask = File(exists=True, mandatory=True, desc="its brain mask")
    cores = File(
        str(TABLE), usedefault=True, exists=True, desc="ellipsoids: index, name, group, centre, radii, mm, weight"
    )


class PlaceCoresOutputSpec(StageOutputSpec):
    """Outputs of `PlaceCores`."""

    out_file = File(exists=True, desc="labels on the grid of in_file")


class PlaceCores(StageInterface):
    """Label approximate cores of the deep nuclei where they stand out in a susceptibility map.

    Where they do not, or do so better in a head that faces the other way, nothing is labelled and a warning says why.
    """

    stage = "place_cores"
    method = "cores of nuclei, placed where they are brighter in the map than what lies round them"
    resources = Resources(volumes=12, minutes=2)
    input_spec = PlaceCoresInputSpec
    output_spec = PlaceCoresOutputSpec

    def _stage(self, cwd: Path) -> dict[str, Any]:
        chi, magnitude = load(self.inputs.in_file).finite(), load(self.inputs.magnitude)
        mask = load(self.inputs.mask).mask
        names = read_cores(Path(self.inputs.cores))
        labels = torch.zeros(chi.data.shape, dtype=torch.int32)
        measured: dict[str, Any] = {}
        try:
            placed, measured = _placed(chi, magnitude, mask, list(names), about=False)
            turned, _ = _placed(chi, magnitude, mask, list(names), about=True)
            doubt = _doubt(placed, turned)
        except ValueError as error:
            doubt = str(error)
        if doubt:
            self._warnings += (f"no nuclei were labelled: {doubt}",)
        else:
            labels = placed.labels
        self._results["out_file"] = save(chi.with_data(labels), cwd / "cores.nii")
        found = set(torch.unique(labels).tolist())
        return {**measured, "LeftOut": [name for core, name in names.items() if core.index not in found]}


def _placed(
    chi: Volume, magnitude: Volume, mask: torch.Tensor, cores: list[Core], *, about: bool
) -> tuple[Placed, dict[str, Any]]:
    """The cores in a map, and what is told of them; with `about`, in a head that faces the other way."""
    brain = template()
    if about:
        brain = Volume(brain.data, np.diag([-1.0, -1.0, 1.0, 1.0]) @ brain.affine, brain.path)
    transform, told = registered(affine_register, brain, magnitude, brain.data != 0, mask)
    start = torch.linalg.inv(transform)
    if about:
        start = start @ torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=start.dtype))
    placed = place_cores(chi.data, chi.affine, chi.data != 0, start, cores)
    return placed, {**told, "Contrast": round(placed.contrast, 4), "LargestShift": round(placed.shift, 1)}


def _doubt(placed: Placed, turned: Placed) -> str:
    """Why what was found cannot be nuclei; empty where it can."""
    if placed.contrast < _LEAST:
        return f"they do not stand out in the map (by {placed.contrast:.3f} ppm; {_LEAST} are needed)"
    if turned.contrast > placed.contrast:
        return "they stand out more in a head that faces the other way; look whether the header takes front for back"
    return ""
