"""The page and the tables of a cohort, from the tables that the subjects' reports left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsmflow.bids.filenames import natural_key
from qsmflow.bids.write import write_text
from qsmflow.core.inversion.cosmos import POOR
from qsmflow.errors import InputError
from qsmflow.reports import quality, regions
from qsmflow.reports.blocks import Block, Cards, Details, Grid, Html, Note, Section, Table
from qsmflow.reports.boxes import Values, boxes
from qsmflow.reports.cohort import FEWEST, OUTLIER, modified_z, stands_out
from qsmflow.reports.facts import UNFINISHED, of_subject
from qsmflow.reports.page import render
from qsmflow.reports.record import RunRecord, latest_records
from qsmflow.reports.tables import (
    COHORT_REGIONS,
    COHORT_TABLE,
    FIGURES_TABLE,
    REGIONS_TABLE,
    number,
    read_table,
    write_table,
)
from qsmflow.reports.titles import TITLES
from qsmflow.reports.words import counted, significant

#: What may have failed, in the order in which it is told.
_FAILURES = ("registration", "COSMOS", "failed", "not finished", "left out", "no report")
#: Correlation of a registered magnitude with the reference below which the registration has failed.
_LOST = 0.8
_MORE = {
    "subject": {"Description": "Subject."},
    "z": {"Description": "Distance from the cohort's median in robust standard deviations (modified z score)."},
}


@dataclass
class Row:
    """A row of a subject's table, with how far its value lies from the cohort's median."""

    subject: str
    cells: Mapping[str, str]
    value: float
    z: float = float("nan")
    out: bool = False


def write_group_report(out_dir: Path, participants: Sequence[str] = ()) -> Path:
    """Write ``out_dir/group.html``, ``group_quality.tsv`` and ``group_rois.tsv`` with their JSON files.

    Parameters
    ----------
    out_dir
        The derivative dataset, whose subjects' reports were made.
    participants
        Labels of the subjects to take; all that are there where it is empty.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        `out_dir` holds no subject with figures of quality.
    """
    records = latest_records(out_dir)
    there = {path.name[4:] for path in Path(out_dir).glob("sub-*") if path.is_dir()}
    wanted = set(participants) or there | set(records)
    subjects = sorted(wanted & (there | set(records)), key=natural_key)
    figures = _gather(out_dir, subjects, FIGURES_TABLE, quality.COLUMNS, "value")
    if not figures:
        raise InputError(f"{out_dir}: no subject with figures of quality; run the participant level first")
    told = [row for row in _gather(out_dir, subjects, REGIONS_TABLE, regions.COLUMNS, "mean") if not _turned_back(row)]
    _measure(figures, ("measure", "map"))
    _measure(told, ("map", "region"))
    _write(out_dir / COHORT_TABLE, quality.COLUMNS, figures)
    _write(out_dir / COHORT_REGIONS, regions.COLUMNS, told)
    pages = {f"sub-{subject}" for subject in subjects if (Path(out_dir) / f"sub-{subject}.html").exists()}
    sections = [
        _failures_section(subjects, figures, records, pages),
        _quality_section(figures, pages),
        _regions_section(told, pages),
    ]
    page = Path(out_dir) / "group.html"
    write_text(page, render("Group", sections, None))
    return page


def _gather(
    out_dir: Path, subjects: Sequence[str], name: str, columns: Mapping[str, Mapping[str, str]], value: str
) -> list[Row]:
    rows = []
    for subject in subjects:
        path = Path(out_dir) / f"sub-{subject}" / name.format(subject)
        if path.exists():
            rows += [Row(f"sub-{subject}", row, number(row[value])) for row in read_table(path, columns)]
    return rows


def _turned_back(row: Row) -> bool:
    """Whether it is of a COSMOS map in the frame of one orientation: the map of the head once more."""
    return row.cells["map"] in ("cosmos", "cosmoskspace") and "_space-" not in row.cells["series"]


def _measure(rows: Sequence[Row], keys: tuple[str, str]) -> None:
    """Hold each row against those that agree with it in `keys`."""
    for same in _alike(rows, keys).values():
        for row, z in zip(same, modified_z([row.value for row in same]), strict=True):
            row.z, row.out = float(z), stands_out(float(z), _worse(row))


def _worse(row: Row) -> str:
    return quality.MEASURES[row.cells["measure"]].worse if "measure" in row.cells else "both"


def _alike(rows: Sequence[Row], keys: tuple[str, str]) -> dict[tuple[str, ...], list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.cells[key] for key in keys), []).append(row)
    return groups


def _write(path: Path, columns: Mapping[str, Mapping[str, str]], rows: Sequence[Row]) -> None:
    write_table(
        path,
        {"subject": _MORE["subject"], **columns, "z": _MORE["z"]},
        ([row.subject, *(row.cells[name] for name in columns), row.z] for row in rows),
    )


def _failures_section(
    subjects: Sequence[str], figures: Sequence[Row], records: Mapping[str, RunRecord], pages: set[str]
) -> Section:
    """What failed, by subject: nodes and what was left out, registration, COSMOS."""
    found: list[list[object]] = []
    measured = {row.subject for row in figures}
    for subject in subjects:
        label, run = f"sub-{subject}", records.get(subject)
        errors = run.errors if run else ()
        found += [[label, "failed", f"{node}: {why}"] for node, why in errors if of_subject(subject, node)]
        if run and not run.finished:
            found.append([label, "not finished", UNFINISHED])
        skipped = run.skipped if run else ()
        found += [[label, "left out", why] for who, why in skipped if of_subject(subject, who)]
        if label not in measured:
            found.append([label, "no report", "no figures of quality are among its derivatives"])
    for row in figures:
        series, measure = row.cells["series"], row.cells["measure"]
        if measure == "registration" and row.value < _LOST:
            found.append([row.subject, "registration", f"{series}: correlation {row.value:.3f}, below {_LOST:g}"])
        if measure == "condition" and row.value < POOR:
            found.append([row.subject, "COSMOS", f"{series}: condition {row.value:.3f}, below {POOR:g}"])
    found.sort(key=lambda row: _FAILURES.index(str(row[1])))
    cards = [
        ("Subjects", str(len(subjects)), ""),
        ("Series and heads", str(len({row.cells["series"] for row in figures})), "with figures of quality"),
        ("With failures", str(len({row[0] for row in found})), "subjects"),
        ("Outliers", str(sum(row.out for row in figures)), "figures of quality"),
    ]
    blocks: list[Block] = [Cards(cards)]
    if found:
        blocks.append(_grid("failures", "Failures", ["Subject", "What", "Why"], found, [], pages))
    else:
        blocks.append(Note("Nothing failed, and nothing was left out."))
    return Section("failures_first", "What failed", blocks)


def _quality_section(figures: Sequence[Row], pages: set[str]) -> Section:
    groups = _alike(figures, ("measure", "map"))
    order = list(quality.MEASURES)
    keys = sorted(groups, key=lambda key: (order.index(key[0]), key[1]))
    titles = [quality.title_with_unit(key[0], key[1].replace("n/a", ""), TITLES) for key in keys]
    lines: dict[tuple[str, str], dict[tuple[str, ...], Row]] = {}
    for key in keys:
        for row in groups[key]:
            lines.setdefault((row.subject, row.cells["series"]), {})[key] = row
    ranked = sorted(lines.items(), key=lambda item: -sum(row.out for row in item[1].values()))
    rows: list[list[object]] = []
    marked = []
    for (subject, series), cells in ranked:
        out = [3 + place for place, key in enumerate(keys) if key in cells and cells[key].out]
        if out:
            marked.append((len(rows), out))
        values = [_rounded(cells[key].value) if key in cells else None for key in keys]
        whole = any(key[0] == "condition" for key in cells)
        rows.append([subject, _within(subject, series, whole), len(out), *values])
    head = ["Subject", "Series", "Outliers", *titles]
    plots = [
        boxes(
            quality.MEASURES[measure].title,
            quality.MEASURES[measure].unit,
            [
                _values(TITLES.get(key[1], key[1]).replace("n/a", "all series"), groups[key])
                for key in keys
                if key[0] == measure
            ],
            pages,
        )
        for measure in dict.fromkeys(key[0] for key in keys)
    ]
    return Section(
        "quality",
        "Quality",
        [
            Note(_rule(len({row.subject for row in figures}))),
            Table(
                "Figures of quality of the cohort: a value is one of a series, or of a head",
                ["Figure", "n", "Mean", "SD"],
                [[title, *_moments(groups[key])] for title, key in zip(titles, keys, strict=True)],
            ),
            _files(COHORT_TABLE),
            _grid("quality_table", "Figures of quality", head, rows, marked, pages),
            Details("Distributions of the figures", [Html("".join(plots))]),
        ],
    )


def _rule(subjects: int) -> str:
    text = f"A value more than {OUTLIER:g} robust SD from the median, on its bad side, is an outlier (▲). "
    there = counted(subjects, "subject", "subjects")
    return text + f"With fewer than {FEWEST} values nothing is called one; the cohort has {there}."


def _within(subject: str, series: str, whole: bool = False) -> str:
    """The name of a series without that of its subject; `whole` says that it is a head in all its orientations."""
    rest = series.removeprefix(subject).removeprefix("_")
    return ", ".join(part for part in (rest, "all orientations" if whole else "") if part) or "single series"


def _moments(rows: Sequence[Row]) -> list[str]:
    """How many values there are, their mean, and their standard deviation (n - 1)."""
    values = np.array([row.value for row in rows if np.isfinite(row.value)])
    mean = significant(values.mean()) if values.size else ""
    return [str(values.size), mean, f"{values.std(ddof=1):.3g}" if values.size > 1 else ""]


def _files(table: str) -> Html:
    """Links to a table beside the page."""
    words = table.removesuffix(".tsv")
    links = f'<a href="{table}">{table}</a>, whose columns <a href="{words}.json">{words}.json</a> describes'
    return Html(f"<p>Every value: {links}.</p>")


def _rounded(value: float) -> float | None:
    return float(f"{value:.4g}") if value == value else None


def _values(label: str, rows: Sequence[Row]) -> Values:
    return Values(label, [row.value for row in rows], [row.subject for row in rows], _worse(rows[0]))


def _regions_section(told: Sequence[Row], pages: set[str]) -> Section:
    if not told:
        note = Note("No subject has labels: supply them, or an atlas, with --derivatives.")
        return Section("regions", "Regions", [note])
    maps: dict[str, list[Row]] = {}
    for row in told:
        maps.setdefault(row.cells["map"], []).append(row)
    blocks: list[Block] = [
        Table(
            "Mean χ of the regions in the cohort (ppm): a value is one of a series, or of a head",
            ["Region", "Map", "n", "Mean", "SD"],
            [
                [_region(region, same), TITLES.get(kind, kind), *_moments(same)]
                for (region, kind), same in _alike(told, ("region", "map")).items()
            ],
        ),
        _files(COHORT_REGIONS),
    ]
    for kind, rows in maps.items():
        groups = _alike(rows, ("map", "region"))
        drawn = [_values(_region(region, same), same) for (_, region), same in groups.items()]
        blocks.append(Html(boxes(f"Mean χ of a region, {TITLES.get(kind, kind)}", "ppm", drawn, pages)))
    outliers = sorted((row for row in told if row.out), key=lambda row: -abs(row.z))
    lines: list[list[object]] = [
        [
            row.subject,
            _within(row.subject, row.cells["series"]),
            TITLES.get(row.cells["map"], row.cells["map"]),
            _region(row.cells["region"], [row]),
            _rounded(row.value),
            _rounded(row.z),
        ]
        for row in outliers
    ]
    head = ["Subject", "Series", "Map", "Region", "Mean χ (ppm)", "Robust SD from the median"]
    if lines:
        blocks.insert(0, _grid("region_outliers", "Regions that stand out", head, lines, [], pages))
    return Section("regions", "Regions", blocks)


def _region(name: str, rows: Sequence[Row]) -> str:
    """The name of a region, marked where one of `rows` has few voxels of it."""
    fewest = min(number(row.cells["voxels"]) for row in rows)
    return f"{name} (small: {'from ' if len(rows) > 1 else ''}{fewest:g} voxels)" if fewest < regions.SMALL else name


def _grid(
    name: str,
    caption: str,
    head: list[str],
    rows: list[list[object]],
    marked: list[tuple[int, list[int]]],
    pages: set[str],
) -> Grid:
    return Grid(name, caption, head, rows, marked, sorted(pages))
