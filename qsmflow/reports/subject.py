"""One HTML page for one subject, from the derivative dataset alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qsmflow.bids.write import write_bytes, write_text
from qsmflow.errors import InputError
from qsmflow.reports import facts, maps, orientations, quality, regions
from qsmflow.reports.blocks import Section
from qsmflow.reports.collect import HeadFiles, collect, earlier_files
from qsmflow.reports.consensus import consensus_section
from qsmflow.reports.page import render
from qsmflow.reports.record import RunRecord, latest_record, of_subject, records_of_heads
from qsmflow.reports.tables import COHORT_TABLE, FIGURES_TABLE, REGIONS_TABLE, read_table, write_table
from qsmflow.reports.timing import timing_section
from qsmflow.reports.titles import TITLES


def write_subject_report(
    out_dir: Path, subject: str, run: RunRecord | None = None, records: Mapping[str, RunRecord] | None = None
) -> Path:
    """Write ``out_dir/sub-<subject>.html``, its figures, and the tables of quality and regions.

    The figures are ``out_dir/sub-<subject>/figures/*.png``, the tables ``sub-<subject>_desc-{quality,rois}_stats.tsv``
    beside them.

    Parameters
    ----------
    out_dir
        The derivative dataset. Nothing else is read.
    subject
        Label, with or without ``sub-``.
    run
        The run to report; without it, the latest record below ``out_dir/logs``, if there is one.
    records
        What `records_of_heads` reads there, for those who make the pages of many subjects.

    Returns
    -------
    Path
        The page: one file that needs no other and no network.

    Raises
    ------
    InputError
        If `out_dir` holds no derivative of the subject and the run says nothing of it.
    """
    out_dir, label = Path(out_dir), subject.removeprefix("sub-")
    run = run or latest_record(out_dir, label)
    own = of_subject(records_of_heads(out_dir) if records is None else records, label)
    earlier = earlier_files(out_dir, label, own)
    heads = collect(out_dir, label, earlier)
    if not heads and run is None:
        raise InputError(f"{out_dir}: no derivative of sub-{label} and no run record; run the participant level first")
    found = _look(heads)
    sections = _sections(out_dir, label, heads, found, run, earlier, own)
    folder = out_dir / f"sub-{label}"
    for section in sections:
        for picture in section.pictures():
            write_bytes(folder / "figures" / f"{picture.name}.png", picture.png)
    if heads:
        tables = ((FIGURES_TABLE, quality.COLUMNS, found.figures), (REGIONS_TABLE, regions.COLUMNS, found.regions))
        for name, columns, rows in tables:
            write_table(folder / name.format(label), columns, (one.row for one in rows))
    page = out_dir / f"sub-{label}.html"
    write_text(page, render(f"sub-{label}", sections, run))
    return page


@dataclass
class _Found:
    """What looking at every head gave: the sections that show it, and what its maps measure."""

    shown: list[Section] = field(default_factory=list)
    measured: dict[str, dict[str, str]] = field(default_factory=dict)
    shared: dict[str, dict[str, str]] = field(default_factory=dict)
    figures: list[quality.Figure] = field(default_factory=list)
    regions: list[regions.Region] = field(default_factory=list)


def _look(heads: list[HeadFiles]) -> _Found:
    found = _Found()
    for head in heads:
        limits = maps.field_limits(head.series)
        for place, series in enumerate(head.series):
            view = maps.series_view(series, limits, with_viewer=place == 0)
            found.measured[series.name] = view.numbers
            found.shown.append(view.section)
            found.figures += view.figures
            found.regions += view.regions
        if head.transforms:
            together = orientations.HeadView(f"{head.name}_space-{head.reference}")
            found.shown.append(orientations.registration_section(head, together))
            found.shown.append(orientations.cosmos_section(head, together))
            found.shared[together.name] = together.numbers
            found.figures += together.figures
            found.regions += together.regions
    return found


def _sections(
    out_dir: Path,
    subject: str,
    heads: list[HeadFiles],
    found: _Found,
    run: RunRecord | None,
    earlier: list[Path],
    records: Mapping[str, RunRecord],
) -> list[Section]:
    """All sections of the page, in order."""
    labels = [series.native["rois"] for head in heads for series in head.series if "rois" in series.native]
    table = out_dir / COHORT_TABLE
    cohort = read_table(table, quality.COLUMNS) if table.exists() else []
    others = [row for row in cohort if row["subject"] != f"sub-{subject}"]
    return [
        facts.summary_section(heads, subject, run, next(iter(found.measured.values()), {}), earlier, records),
        facts.acquisition_section(heads),
        consensus_section(heads, run, records),
        quality.quality_section(found.figures, others, TITLES),
        regions.regions_section(found.regions, TITLES, cores=any(map(regions.are_cores, labels))),
        *found.shown,
        facts.numbers_section(found.measured, found.shared, heads),
        timing_section(subject, run),
        facts.errors_section(heads, subject, run),
        facts.methods_section(out_dir, run),
        facts.rerun_section(run),
    ]
