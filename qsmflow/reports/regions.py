"""The susceptibility of regions: mean and standard deviation of every map in every supplied label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from qsmflow.core.metrics import region_statistics
from qsmflow.reports.blocks import Block, Details, Note, Section, Table
from qsmflow.reports.collect import Found
from qsmflow.reports.volume import Volume
from qsmflow.reports.words import counted

#: Columns of the table of a subject, and what BIDS says of them.
COLUMNS = {
    "series": {"Description": "Series, or head and frame, by its entities."},
    "map": {"Description": "Susceptibility map, as --inversion calls it, or cosmos, cosmoskspace."},
    "index": {"Description": "Label."},
    "region": {"Description": "Name of the label; its number where the table of labels has none."},
    "voxels": {"Description": "Voxels of the region in which the map is known."},
    "volume": {"Description": "Volume of these voxels.", "Units": "ml"},
    "mean": {"Description": "Mean susceptibility.", "Units": "ppm"},
    "sd": {"Description": "Standard deviation of the susceptibility over the voxels (n - 1).", "Units": "ppm"},
}

#: Voxels; of fewer, the mean of a region says little.
SMALL = 10
#: Stands behind a mean whose spread exceeds it.
_WIDE = "*"


@dataclass(frozen=True)
class Region:
    """One map in one region; its fields are the `COLUMNS`."""

    series: str
    map: str
    index: int
    region: str
    voxels: int
    volume: float
    mean: float
    sd: float

    @property
    def row(self) -> list[object]:
        """As a row of the table with `COLUMNS`."""
        return [getattr(self, name) for name in COLUMNS]


def regions_of(series: str, maps: Mapping[str, Volume], labels: Volume, names: Mapping[str, str]) -> list[Region]:
    """Statistics of each map in each region.

    Parameters
    ----------
    series
        What the maps belong to.
    maps
        χ, ppm, by kind; a voxel that is zero or not finite is not known.
    labels
        Whole numbers on the grid of the maps; 0 is no region.
    names
        Of the regions, by the label as text.
    """
    whole = torch.from_numpy(np.rint(labels.data).astype(np.int64))
    voxel = float(np.prod(labels.voxel_size)) / 1000.0
    return [
        Region(series, kind, index, names.get(str(index), str(index)), told.voxels, told.voxels * voxel, *told[1:])
        for kind, chi in maps.items()
        for index, told in region_statistics(torch.from_numpy(chi.data), whole, torch.from_numpy(chi.mask)).items()
    ]


def region_names(sidecar: Mapping[str, Any]) -> Mapping[str, str]:
    """What the sidecar of a label map calls the regions, by the label as text."""
    stated = sidecar.get("Labels")
    return {str(k): str(v) for k, v in stated.items()} if isinstance(stated, dict) else {}


def are_cores(found: Found) -> bool:
    """Whether a label map holds the cores of nuclei that come with qsmflow."""
    return found.sidecar.get("Stage") == "place_cores"


def regions_section(regions: Sequence[Region], titles: Mapping[str, str], *, cores: bool = False) -> Section:
    """A table for each series: a region a row, a map a column.

    `titles` are those of the maps; of `cores` it is said that they are approximate.
    """
    section = Section("regions", "Regions")
    if not regions:
        section.blocks.append(
            Note(
                "No regions. Their mean susceptibility stands here with --rois cores, where the nuclei are found (else "
                "a warning says why not), or with --derivatives labels=PATH, or atlas=FILE template=FILE."
            )
        )
        return section
    tables: list[Block] = [
        _table(name, [one for one in regions if one.series == name], titles)
        for name in dict.fromkeys(one.series for one in regions)
    ]
    if cores:
        text = "Cores are ellipsoids of a template, placed by the map: approximate, and they may miss a small nucleus. "
        section.blocks.append(Note(f"{text}Look at their outlines before you use a mean."))
    section.blocks += tables[:1]
    if len(tables) > 1:
        section.blocks.append(Details("Regions of the other orientations and frames", tables[1:]))
    return section


def _table(series: str, regions: Iterable[Region], titles: Mapping[str, str]) -> Table:
    rows: dict[tuple[int, str], dict[str, Region]] = {}
    for one in regions:
        rows.setdefault((one.index, one.region), {})[one.map] = one
    maps = list(dict.fromkeys(kind for row in rows.values() for kind in row))
    cells = [
        [
            _named(name, max(one.voxels for one in row.values())),
            str(index),
            f"{max(one.volume for one in row.values()):.2f}",
            *(_value(row.get(kind)) for kind in maps),
        ]
        for (index, name), row in rows.items()
    ]
    caption = f"Susceptibility of the regions of {series}: mean ± SD over the voxels (ppm)"
    if any(cell.endswith(_WIDE) for row in cells for cell in row):
        caption += f"; {_WIDE} the spread exceeds the mean"
    return Table(caption, ["Region", "Index", "Volume (ml)", *(titles.get(kind, kind) for kind in maps)], cells)


def _named(name: str, voxels: int) -> str:
    """The name of a region, marked where it has few voxels."""
    return name if voxels >= SMALL else f"{name} (small: {counted(voxels, 'voxel', 'voxels')})"


def _value(region: Region | None) -> str:
    if region is None:
        return "outside the map"
    told = f"{region.mean:+.4f}" + (f" ± {region.sd:.4f}" if region.voxels > 1 else "")
    return f"{told} {_WIDE}" if region.sd > abs(region.mean) else told
