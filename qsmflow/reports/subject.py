"""One HTML page for one subject, from the derivative dataset alone."""

from __future__ import annotations

from pathlib import Path

import qsmflow
from qsmflow.bids.write import write_bytes, write_text
from qsmflow.errors import InputError
from qsmflow.reports import facts, maps, orientations
from qsmflow.reports.blocks import Section
from qsmflow.reports.collect import HeadFiles, collect
from qsmflow.reports.record import RunRecord, latest_record


def write_subject_report(out_dir: Path, subject: str, run: RunRecord | None = None) -> Path:
    """Write ``out_dir/sub-<subject>.html`` and its figures, ``out_dir/sub-<subject>/figures/*.png``.

    Parameters
    ----------
    out_dir
        The derivative dataset. Nothing else is read.
    subject
        Label, with or without ``sub-``.
    run
        The run to report; without it, the latest record below ``out_dir/logs``, if there is one.

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
    run = run or latest_record(out_dir)
    heads = collect(out_dir, label)
    if not heads and run is None:
        raise InputError(f"{out_dir}: no derivative of sub-{label} and no run record; run the participant level first")
    sections = build_sections(out_dir, label, heads, run)
    for section in sections:
        for picture in section.pictures():
            write_bytes(out_dir / f"sub-{label}" / "figures" / f"{picture.name}.png", picture.png)
    page = out_dir / f"sub-{label}.html"
    write_text(page, render(f"sub-{label}", sections, run))
    return page


def build_sections(out_dir: Path, subject: str, heads: list[HeadFiles], run: RunRecord | None) -> list[Section]:
    """All sections of the page, in order."""
    shown: list[Section] = []
    measured: dict[str, dict[str, str]] = {}
    shared: dict[str, dict[str, str]] = {}
    for head in heads:
        limits = maps.field_limits(head.series)
        for series in head.series:
            view = maps.series_view(series, limits)
            measured[series.name] = view.numbers
            shown.append(view.section)
        if head.transforms:
            shown.append(orientations.registration_section(head))
            section = orientations.cosmos_section(head, shared.setdefault(f"{head.name}_space-{head.reference}", {}))
            shown.append(section)
    first = next(iter(measured.values()), {})
    return [
        facts.summary_section(heads, subject, run, first),
        facts.acquisition_section(heads),
        *shown,
        facts.numbers_section(measured, shared, heads),
        facts.errors_section(heads, subject, run),
        facts.methods_section(out_dir),
        facts.rerun_section(run),
    ]


def render(title: str, sections: list[Section], run: RunRecord | None) -> str:
    """The page as HTML, with style and script inside."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("qsmflow", "data/report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    version = run.version if run and run.version else qsmflow.__version__
    started = facts.moment(run.started) if run else ""
    template = environment.get_template("subject.html")
    return template.render(title=title, sections=sections, version=version, started=started)
