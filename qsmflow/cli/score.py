"""``qsmflow score``: every metric of a map against a truth, by name and convention."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from qsmflow.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: mm; affines that put no corner of the grid further apart than this are the same.
_SAME_PLACE = 1e-2


class Row(NamedTuple):
    """One line of the tidy table: one number."""

    region: str
    metric: str
    value: float
    unit: str
    convention: str


class _Volume(NamedTuple):
    path: Path
    data: NDArray[Any]
    affine: NDArray[np.float64]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "score",
        help="score a map against a truth",
        description="Every metric of MAP against TRUTH within MASK, by name and convention. All files are NIfTI on one "
        "grid; map and truth are in ppm.",
    )
    parser.add_argument("map", type=Path, metavar="MAP", help="susceptibility map to score, ppm")
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="true susceptibility, ppm")
    parser.add_argument("mask", type=Path, metavar="MASK", help="where the maps are compared; voxels above 0")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="label map: adds mean and SD of every region")
    parser.add_argument(
        "--challenge",
        action="store_true",
        help="add the eight metrics of the second reconstruction challenge; --labels are those of its phantom",
    )
    parser.add_argument("--tsv", type=Path, metavar="FILE", help="also write the numbers as a table, one a line")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Score, print and write; returns 0 and raises `InputError` or `UsageError` on what cannot be scored."""
    if args.tsv is not None and not args.tsv.absolute().parent.is_dir():
        raise UsageError(f"{args.tsv}: --tsv: its folder does not exist; make it first")
    if args.challenge and args.labels is None:
        raise UsageError("--challenge: needs the labels of the phantom; give --labels")
    truth = _load(args.truth)
    volumes = [_load(path) for path in (args.map, args.mask, args.labels) if path is not None]
    for volume in volumes:
        _check_grid(volume, truth)
    labels = volumes[2] if args.labels is not None else None
    rows = list(_rows(volumes[0], truth, volumes[1], labels, challenge=args.challenge))
    if sys.stdout.isatty():
        _print_table(args.map, args.truth, rows)
    else:
        _write_rows(sys.stdout, args.map, args.truth, rows)
    if args.tsv is not None:
        _write_tsv(args.tsv, args.map, args.truth, rows)
    return 0


def _load(path: Path) -> _Volume:
    import nibabel as nib
    import numpy as np

    try:
        image = nib.load(path)
        data = np.asanyarray(image.dataobj)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except Exception as error:
        # nibabel, gzip and zlib have no common class for a file that cannot be read
        raise InputError(f"{path}: not a readable NIfTI file ({error}); write it again") from error
    if data.ndim != 3:
        raise InputError(f"{path}: has {data.ndim} dimensions, expected 3; pick one volume")
    return _Volume(path, data, image.affine)


def _check_grid(volume: _Volume, truth: _Volume) -> None:
    from qsmflow.core.geometry import grids_apart

    if volume.data.shape != truth.data.shape:
        raise InputError(
            f"{volume.path}: shape {volume.data.shape} is not that of {truth.path}, {truth.data.shape}; resample it"
        )
    distance = grids_apart(volume.affine, truth.affine, truth.data.shape)
    if not distance <= _SAME_PLACE:
        raise InputError(
            f"{volume.path}: affine lays the grid up to {distance:.3g} mm away from that of {truth.path}; resample it"
        )


def _rows(chi: _Volume, truth: _Volume, mask: _Volume, labels: _Volume | None, *, challenge: bool) -> Iterator[Row]:
    import numpy as np
    import torch

    from qsmflow.core import metrics
    from qsmflow.core.challenge import challenge_metrics

    inside = _integers(mask) > 0
    if not inside.any():
        raise InputError(f"{mask.path}: mask is empty; give one that covers the brain")
    for volume in (chi, truth):
        bad = int(np.count_nonzero(~np.isfinite(volume.data[inside])))
        if bad:
            raise InputError(f"{volume.path}: {bad} voxels in the mask are NaN or Inf; shrink the mask or mend the map")
    x, y = (torch.from_numpy(volume.data.astype(np.float64)) for volume in (chi, truth))
    within = torch.from_numpy(inside)
    for metric in metrics.METRICS:
        yield Row("mask", metric.name, float(metric.function(x, y, within)), metric.unit, metric.convention)
    if labels is None:
        return
    regions = torch.from_numpy(_integers(labels).astype(np.int64))
    of_map, of_truth = (metrics.region_statistics(values, regions, within) for values in (x, y))
    if not of_map:
        raise InputError(f"{labels.path}: no label lies in the mask; check that they belong together")
    for label, found in of_map.items():
        expected = of_truth[label]
        yield Row(str(label), "voxels", found.voxels, "", "in mask")
        yield Row(str(label), "mean_map", found.mean, "ppm", "")
        yield Row(str(label), "sd_map", found.sd, "ppm", "n - 1")
        yield Row(str(label), "mean_truth", expected.mean, "ppm", "")
        yield Row(str(label), "sd_truth", expected.sd, "ppm", "n - 1")
    if not challenge:
        return
    for name, value in challenge_metrics(x.nan_to_num(), y.nan_to_num(), within, regions).items():
        unit = "%" if "NRMSE" in name else "ppm voxels" if name.endswith("Moment") else ""
        yield Row("mask", name, value, unit, "second reconstruction challenge")


def _integers(volume: _Volume) -> NDArray[Any]:
    """Refuse values that are no whole numbers, such as those of a probability map."""
    import numpy as np

    values = volume.data
    if values.dtype.kind == "f":
        odd = ~np.isfinite(values) | (values != np.round(values))
        if odd.any():
            raise InputError(f"{volume.path}: value {values[odd].flat[0]:.4g} is no label; round or binarise the file")
    return values


def _print_table(chi: Path, truth: Path, rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("metric", "value", "unit", "convention", title=f"{chi.name} against {truth.name}")
    for row in rows:
        if row.region == "mask":
            table.add_row(row.metric, _text(row.value), row.unit, row.convention)
    console.print(table)
    names = list(dict.fromkeys(row.metric for row in rows if row.region != "mask"))
    if names:
        table = Table("region", *names, title="Regions, ppm")
        for region in dict.fromkeys(row.region for row in rows if row.region != "mask"):
            table.add_row(region, *(_text(row.value) for row in rows if row.region == region))
        console.print(table)


def _write_rows(file: TextIO, chi: Path, truth: Path, rows: list[Row]) -> None:
    """The table as tab-separated lines, for a file and for whatever reads the output."""
    import csv

    writer = csv.writer(file, delimiter="\t", lineterminator="\n")
    writer.writerow(("map", "truth", *Row._fields))
    for row in rows:
        value = _text(row.value, digits=8)
        writer.writerow((chi, truth, row.region, row.metric, value, row.unit or "n/a", row.convention or "n/a"))


def _write_tsv(path: Path, chi: Path, truth: Path, rows: list[Row]) -> None:
    try:
        with path.open("w", newline="") as file:
            _write_rows(file, chi, truth, rows)
    except OSError as error:
        raise UsageError(f"{path}: --tsv: cannot be written ({error.strerror}); choose another place") from error


def _text(value: float, digits: int = 5) -> str:
    """The number, or BIDS's ``n/a`` where a metric is undefined."""
    if isinstance(value, int):
        return str(value)
    return "n/a" if value != value else f"{value:.{digits}g}"
