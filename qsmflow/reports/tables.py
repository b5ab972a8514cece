"""Tidy tables beside the pages: one observation a row, tab-separated, each column described in a JSON file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsmflow.bids.naming import sidecar_path
from qsmflow.bids.write import write_json, write_text
from qsmflow.errors import InputError

#: A subject's tables below its folder, by its label, and those of the cohort.
FIGURES_TABLE = "sub-{}_desc-quality_stats.tsv"
REGIONS_TABLE = "sub-{}_desc-rois_stats.tsv"
COHORT_TABLE = "group_quality.tsv"
COHORT_REGIONS = "group_rois.tsv"


def write_table(path: Path, columns: Mapping[str, Mapping[str, str]], rows: Iterable[Sequence[Any]]) -> Path:
    """Write `rows` as ``path`` (``.tsv``) and what the columns are as the JSON file of the same name.

    Parameters
    ----------
    path
        The table.
    columns
        In order: the name, and what BIDS says of a column (``Description``, ``Units``).
    rows
        One value a column; None and NaN become ``n/a``.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_text(path, out.getvalue())
    write_json(sidecar_path(path), columns)
    return path


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a table that `write_table` wrote.

    Raises
    ------
    InputError
        The file cannot be read, or lacks one of `columns`.
    """
    mend = "delete it and make the report again with --reports-only"
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}); {mend}") from error
    lacking = [name for name in columns if rows and rows[0].get(name) is None]
    if lacking:
        raise InputError(f"{path}: no column {lacking[0]}; {mend}")
    return rows


def number(cell: str) -> float:
    """The number in a cell; NaN for ``n/a`` and for what is none."""
    try:
        return float(cell)
    except ValueError:
        return float("nan")
