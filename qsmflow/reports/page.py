"""From sections to one HTML file, with style and script inside."""

from __future__ import annotations

import qsmflow
from qsmflow.reports.blocks import Grid, Section
from qsmflow.reports.facts import moment
from qsmflow.reports.record import RunRecord
from qsmflow.reports.words import with_minus


def render(title: str, sections: list[Section], run: RunRecord | None) -> str:
    """The page as HTML; `run`, where there is one, tells the version and the time that stand at its head."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("qsmflow", "data/report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["minus"] = with_minus
    version = run.version if run and run.version else qsmflow.__version__
    started = moment(run.started) if run else ""
    pictured = any(section.pictures() for section in sections)
    wide = any(isinstance(block, Grid) for section in sections for block in section.blocks)
    return environment.get_template("page.html").render(
        title=title, sections=sections, version=version, started=started, pictured=pictured, wide=wide
    )
