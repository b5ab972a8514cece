"""The tables that the reports of many subjects leave, made up: three figures and two regions each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from qsmflow.bids.write import write_text
from qsmflow.reports import quality, regions
from qsmflow.reports.tables import FIGURES_TABLE, REGIONS_TABLE, write_table


def cohort(root: Path, count: int) -> None:
    """Write the tables of `count` subjects; the third's registration is lost, the seventh's field is noisy.

    The putamen of the eleventh lies far off. Every subject has a page.
    """
    spread = np.random.default_rng(0).uniform(-1, 1, (count, 5))
    for number, (snr, noise, alike, putamen, thalamus) in enumerate(spread.tolist(), 1):
        label = f"{number:04d}"
        series = f"sub-{label}_acq-ori2"
        figures = [
            quality.Figure(series, "snr", "", 60 + 5 * snr),
            quality.Figure(series, "noise", "", 9.0 if number == 7 else 1 + 0.1 * noise),
            quality.Figure(series, "registration", "", 0.5 if number == 3 else 0.95 + 0.02 * alike),
        ]
        told = [
            regions.Region(series, "l2", 1, "putamen", 900, 7.2, 0.5 if number == 11 else 0.04 + 0.01 * putamen, 0.02),
            regions.Region(series, "l2", 2, "thalamus", 900, 7.2, 0.02 + 0.01 * thalamus, 0.02),
        ]
        folder = root / f"sub-{label}"
        write_table(folder / FIGURES_TABLE.format(label), quality.COLUMNS, (one.row for one in figures))
        write_table(folder / REGIONS_TABLE.format(label), regions.COLUMNS, (one.row for one in told))
        page = '<!DOCTYPE html><html lang="en"><title>made up</title></html>'
        write_text(root / f"sub-{label}.html", page)
