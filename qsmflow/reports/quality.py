"""Figures of quality, from the derivatives of a series: the one list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from qsmflow.core.noise import noise_of_magnitude
from qsmflow.core.quality import field_misfit, rim_excess, streak_index
from qsmflow.reports.blocks import Details, Items, Note, Section, Table
from qsmflow.reports.cohort import OUTLIER, modified_z, stands_out
from qsmflow.reports.collect import SeriesFiles
from qsmflow.reports.measures import millilitres
from qsmflow.reports.tables import number
from qsmflow.reports.volume import Volume
from qsmflow.reports.words import counted, significant


@dataclass(frozen=True)
class Measure:
    """A figure of quality: its title, its unit (empty for a ratio), which side is `worse`, and what it means."""

    title: str
    unit: str
    worse: str
    meaning: str


MEASURES = {
    "snr": Measure(
        "SNR of the magnitude",
        "",
        "low",
        "Median of the combined magnitude in the brain over its noise: mixed differences of neighbours in flat parts.",
    ),
    "noise": Measure("Noise of the total field", "ppb", "high", "Median of its standard deviation in the brain."),
    "phase": Measure(
        "Brain with reliable phase", "%", "low", "Share of the brain mask that phase-quality masking kept."
    ),
    "brain": Measure("Brain mask", "ml", "both", "Volume of the mask."),
    "kept": Measure("Brain kept by background removal", "%", "low", "Local-field mask over brain mask."),
    "rim": Measure(
        "Local field at the rim", "", "high", "Its root mean square in the outer 4 mm of its mask over that inside."
    ),
    "streaks": Measure(
        "Streak index",
        "",
        "high",
        "Strength of a map about the cone of the dipole over that in other directions of k-space: streaks exceed 1.",
    ),
    "misfit": Measure(
        "Field that the map leaves unexplained",
        "%",
        "high",
        "Norm of (dipole * χ − local field) over that of the field.",
    ),
    "registration": Measure(
        "Correlation of the magnitudes",
        "",
        "low",
        "Correlation of the registered magnitude with the reference's wherever both are known; that which the stage "
        "reports is of locally normalised magnitudes in the brain.",
    ),
    "condition": Measure(
        "Condition of the orientations", "", "low", "How the worst direction of k-space is seen; 0.298 is the best."
    ),
}
#: Columns of the table of a subject, and what BIDS says of them.
COLUMNS = {
    "series": {"Description": "Series, or head, by its entities."},
    "measure": {"Description": "Figure of quality: " + "; ".join(f"{k}: {m.meaning}" for k, m in MEASURES.items())},
    "map": {"Description": "Susceptibility map, as --inversion calls it, where the figure is of one."},
    "value": {"Description": "The figure, in the unit beside it."},
    "unit": {"Description": "Unit; n/a for ratios."},
}


@dataclass(frozen=True)
class Figure:
    """One figure of quality: a key of `MEASURES`, the map it is of (or empty), and its value in the measure's unit."""

    series: str
    measure: str
    map: str
    value: float

    @property
    def row(self) -> list[object]:
        """As a row of the table with `COLUMNS`."""
        return [self.series, self.measure, self.map or None, self.value, MEASURES[self.measure].unit or None]


def series_figures(
    series: SeriesFiles, volumes: Mapping[str, Volume], chis: Sequence[str], b0_dir: Sequence[float]
) -> list[Figure]:
    """Every figure that the derivatives of one series allow.

    Parameters
    ----------
    series
        Its files, whose sidecars tell what the images do not.
    volumes
        Its images by kind, all on one grid.
    chis
        The kinds that are χ maps made from this series alone.
    b0_dir
        Direction of B0 in the voxel axes of `volumes`.
    """
    found: dict[tuple[str, str], float] = {}
    masks = {kind: torch.from_numpy(volumes[kind].data > 0) for kind in ("brain", "localmask") if kind in volumes}
    brain, local_mask = masks.get("brain"), masks.get("localmask", masks.get("brain"))
    if brain is not None and brain.any():
        found["brain", ""] = millilitres(volumes["brain"])
        found |= _of_brain(volumes, brain)
        if "localmask" in masks:
            found["kept", ""] = 100 * millilitres(volumes["localmask"]) / found["brain", ""]
    removed = series.native["brain"].stated("ShareRemoved") if "brain" in series.native else None
    if isinstance(removed, int | float):
        found["phase", ""] = 100 * (1 - float(removed))
    local = _tensor(volumes.get("local"))
    if local_mask is not None and local_mask.any():
        size = next(iter(volumes.values())).voxel_size
        if local is not None:
            found["rim", ""] = rim_excess(local, local_mask, size)
        for kind in chis:
            chi = torch.nan_to_num(torch.from_numpy(volumes[kind].data))
            found["streaks", kind] = streak_index(chi, local_mask, size, b0_dir)
            if local is not None:
                found["misfit", kind] = 100 * field_misfit(chi, local, local_mask, size, b0_dir)
    order = list(MEASURES)
    ranked = sorted(found, key=lambda key: order.index(key[0]))
    return [Figure(series.name, *key, found[key]) for key in ranked if np.isfinite(found[key])]


def _of_brain(volumes: Mapping[str, Volume], brain: torch.Tensor) -> dict[tuple[str, str], float]:
    found = {}
    magnitude, noise = _tensor(volumes.get("magnitude")), _tensor(volumes.get("noise"))
    if magnitude is not None:
        sd = noise_of_magnitude(magnitude, brain)
        found["snr", ""] = float(magnitude[brain].median()) / sd if sd > 0 else float("nan")
    if noise is not None:
        found["noise", ""] = 1000 * float(noise[brain].median())
    return found


def _tensor(volume: Volume | None) -> torch.Tensor | None:
    return None if volume is None else torch.nan_to_num(torch.from_numpy(volume.data))


def quality_section(
    figures: Sequence[Figure], cohort: Sequence[Mapping[str, str]], titles: Mapping[str, str]
) -> Section:
    """A figure a row, a series a column; those that stand out from the `cohort` are marked.

    Parameters
    ----------
    figures
        Of this subject.
    cohort
        Rows of the group's table, with `COLUMNS`; empty where the group level has not run.
    titles
        Of the maps.
    """
    section = Section("quality", "Quality")
    if not figures:
        section.blocks.append(Note("The derivatives allow no figure of quality."))
        return section
    groups: dict[tuple[str, str], list[float]] = {}
    for row in cohort:
        groups.setdefault((row["measure"], row["map"].replace("n/a", "")), []).append(number(row["value"]))
    series = list(dict.fromkeys(one.series for one in figures))
    cells: dict[tuple[str, str], dict[str, str]] = {}
    flagged = 0
    for one in figures:
        others = groups.get((one.measure, one.map), [])
        z = modified_z([one.value, *others])[0]
        out = stands_out(float(z), MEASURES[one.measure].worse)
        flagged += out
        told = significant(one.value) + (f", outlier: {z:+.1f} SD" if out else "")
        cells.setdefault((one.measure, one.map), {})[one.series] = told
    rows = [
        [title_with_unit(measure, kind, titles), *(found.get(name, "") for name in series)]
        for (measure, kind), found in cells.items()
    ]
    if cohort:
        stand = counted(flagged, "of these figures stands", "of these figures stand")
        text = f"{stand} out from the cohort (more than {OUTLIER:g} robust SD from its median)."
        section.blocks.append(Note(text, "warn" if flagged else "info"))
    else:
        section.blocks.append(Note("Run the group level, then --reports-only, to hold these figures against a cohort."))
    section.blocks.append(Table("Figures of quality of each series", ["Figure", *series], rows))
    meanings = [f"{m.title}: {m.meaning}" for key, m in MEASURES.items() if any(key == one.measure for one in figures)]
    section.blocks.append(Details("What the figures mean", [Items("Figures", meanings)]))
    return section


def title_with_unit(measure: str, kind: str, titles: Mapping[str, str]) -> str:
    """``Streak index, QSMnet`` or ``Brain mask (ml)``: the head of a row or column."""
    told = MEASURES[measure]
    title = told.title + (f", {titles.get(kind, kind)}" if kind else "")
    return f"{title} ({told.unit})" if told.unit else title
