"""From tidy rows to a TSV file and to the tables of a paper."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev

from qsmflow.reports.blocks import Table

from .study import Done, Row, Value

_LAST = ("region", "metric", "value", "unit", "note")


def rows_of(done: Iterable[Done], **where: Value) -> list[Row]:
    """The rows of all cases that have these values; those of cases that were left out too, whatever their metric."""
    rows = [row for one in done for row in one.rows]
    return [
        row
        for row in rows
        if all(row.get(key) == value or (row["note"] and key in _LAST) for key, value in where.items())
    ]


def values_by(rows: Iterable[Row], by: str) -> dict[str, list[float]]:
    """The values of rows by one of their columns, without those of cases that were left out."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if not row["note"]:
            values.setdefault(str(row[by]), []).append(float(row["value"]))
    return values


def tsv(rows: Sequence[Row]) -> str:
    """One number a line; what does not apply or is not defined is ``n/a``."""
    varied = list(dict.fromkeys(key for row in rows for key in row if key not in _LAST))
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerow([*varied, *_LAST])
    for row in rows:
        writer.writerow([_plain(row.get(key, "")) for key in (*varied, *_LAST)])
    return out.getvalue()


def pivot(
    caption: str,
    rows: Sequence[Row],
    down: Sequence[str],
    across: str = "metric",
    *,
    beside: tuple[str, Mapping[str, str]] | None = None,
) -> Table:
    """Lay rows out as a table of a paper.

    Parameters
    ----------
    caption
        Of the table.
    rows
        Tidy rows.
    down
        Columns of the rows whose values begin each line.
    across
        Column whose values are the heads; with metrics comes their unit.
    beside
        The head of a last column, and what it has by what stands first in a line: numbers of others.

    Returns
    -------
    Table
        Several values of one cell are told by mean and standard deviation; a case that was left out says why.
    """
    cells: dict[tuple[Value, ...], dict[str, list[float]]] = {}
    notes: dict[tuple[Value, ...], str] = {}
    heads: list[str] = []
    for row in rows:
        key = tuple(row.get(name, "") for name in down)
        line = cells.setdefault(key, {})
        if row["note"]:
            notes[key] = str(row["note"])
            continue
        head = _plain(row[across]) + (f", {row['unit']}" if across == "metric" and row["unit"] else "")
        if head not in heads:
            heads.append(head)
        line.setdefault(head, []).append(float(row["value"]))
    body = [
        [*(_plain(part) for part in key), *(_cell(line.get(head), notes.get(key, "")) for head in heads)]
        for key, line in cells.items()
    ]
    names = [*down, *heads]
    if beside is not None:
        names.append(beside[0])
        body = [[*line, beside[1].get(line[0], "")] for line in body]
    return Table(caption, names, body)


def markdown(table: Table) -> str:
    """A table as Markdown."""
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    return f"{table.caption}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def number(value: float) -> str:
    """Three digits, or ``n/a`` where a metric is not defined."""
    if not math.isfinite(value):
        return "n/a" if math.isnan(value) else str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cell(values: list[float] | None, note: str) -> str:
    if not values:
        return note
    mean = fmean(values)
    # the pSNR of a field without noise is infinite, and has no deviation
    return f"{number(mean)} ± {number(stdev(values))}" if len(values) > 1 and math.isfinite(mean) else number(mean)


def _plain(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.8g}" if math.isfinite(value) else "n/a"
    return str(value) if value != "" else "n/a"
