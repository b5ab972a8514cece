"""What was acquired and done, held against the consensus of 2024 on QSM in clinical research."""

from __future__ import annotations

import html
import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import nibabel as nib
import numpy as np

from qsmflow.config import Config
from qsmflow.reports.blocks import Html, Note, Section, Table
from qsmflow.reports.boilerplate import bibliography
from qsmflow.reports.collect import Found, HeadFiles, SeriesFiles, echo_times
from qsmflow.reports.loaded import load_all
from qsmflow.reports.record import RunRecord, head_of
from qsmflow.reports.stated import in_brackets, stated
from qsmflow.reports.titles import chi_kinds, title_of
from qsmflow.settings import Settings

#: Longest over shortest edge up to which voxels count as isotropic, and mm that count as 1 mm.
_ISOTROPIC, _FINE = 1.1, 1.05
#: Echo spacings that differ by less, s, are even.
_EVEN = 2e-4
#: Method of an intermediate that was not computed.
SUPPLIED = "supplied by the user"
_UNWRAPPINGS = {"romeo": "ROMEO", "best_path": "best path", "segue": "SEGUE", "laplacian": "Laplacian"}
#: Last echo over T2* of the brain that counts as about the same.
_ABOUT = (0.5, 1.5)


def consensus_section(
    heads: Sequence[HeadFiles], run: RunRecord | None, records: Mapping[str, RunRecord] | None = None
) -> Section:
    """The first series of each head against the recommendations, and what a paper has to report of it.

    `records` are those of the runs that computed the heads, by name; `run` is that of the others.
    """
    section = Section("consensus", "Consensus recommendations", [_work()])
    first = [head.series[0] for head in heads if head.series and head.series[0].native]
    section.blocks += [acquisition_table(series) for series in first]
    for series in first:
        head = head_of(series.entities, records or {})
        own = (records or {})[head] if head else run
        section.blocks.append(reporting_table(series, tomllib.loads(own.toml) if own else {}))
    if not first:
        section.blocks.append(Note("No series is among the derivatives."))
    return section


def _work() -> Html:
    work = bibliography()["consensus"]
    doi = html.escape(work.fields["doi"])
    return Html(f'<p>After {html.escape(work.full)} <a href="https://doi.org/{doi}">doi:{doi}</a></p>')


def acquisition_table(series: SeriesFiles) -> Table:
    """The acquisition of `series`, item by item: recommended, found, and whether that fits."""
    te = echo_times(series)
    steps = [b - a for a, b in pairwise(te)]
    zooms = [float(size) for size in nib.load(next(iter(series.native.values())).path).header.get_zooms()[:3]]
    rows = [
        ["Sequence", "3-D gradient echo of several echoes", *_sequence(series, te)],
        ["Readout", "monopolar", "the derivatives do not tell", _fits(None)],
        ["Number of echoes", "three or more", str(len(te) or "not stated"), _fits(len(te) > 2 if te else None)],
        [
            "Echo spacing",
            "even",
            "one echo" if len(te) == 1 else _times(steps),
            _fits(max(steps) - min(steps) < _EVEN if len(steps) > 1 else None),
        ],
        ["Last echo", "about T2* of the tissue", *_last_echo(series, te)],
        [
            "Voxel",
            "isotropic, 1 mm or finer",
            " × ".join(f"{size:.3g}" for size in zooms) + " mm",
            _fits(max(zooms) <= min(_FINE, _ISOTROPIC * min(zooms))),
        ],
    ]
    return Table(f"Acquisition of {series.name}", ["Item", "Recommended", "Found", "Fits"], rows)


def _sequence(series: SeriesFiles, te: Sequence[float]) -> tuple[str, str]:
    """Dimensions, where they are stated, and echo times, and whether they fit."""
    kind = series.value("MRAcquisitionType")
    told = ", ".join(text for text in (str(kind or ""), _times(te)) if text)
    return told, _fits(len(te) > 1 and kind in (None, "3D") if te else None)


def _last_echo(series: SeriesFiles, te: Sequence[float]) -> tuple[str, str]:
    """The last echo beside the T2* of the brain, and whether they fit, where a map of R2* tells."""
    volumes = load_all({k: found for k, found in series.native.items() if k in ("r2star", "brain")}).volumes
    if not te or len(volumes) < 2:
        return _times(te[-1:]), _fits(None)
    rates = volumes["r2star"].data[(volumes["brain"].data > 0) & (volumes["r2star"].data > 0)]
    if not rates.size:
        return _times(te[-1:]), _fits(None)
    t2 = 1.0 / float(np.median(rates))
    told = f"{_times(te[-1:])}; T2* of the brain {1000 * t2:.3g} ms in the median"
    return told, _fits(_ABOUT[0] <= te[-1] / t2 <= _ABOUT[1])


def _times(seconds: Sequence[float]) -> str:
    return f"{', '.join(f'{1000 * s:.4g}' for s in seconds)} ms" if seconds else "not stated"


def _fits(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known"}[answer]


def reporting_table(series: SeriesFiles, settings: Mapping[str, Any]) -> Table:
    """What is to be reported with a susceptibility map, as far as derivatives and `settings` (of the run) tell it."""
    image = nib.load(next(iter(series.native.values())).path)
    b0 = series.value("MagneticFieldStrength")
    done = {kind: _how(found) for kind, found in series.native.items()}
    maps = [_map(kind, series.native[kind]) for kind in chi_kinds(series.native)]
    software = series.value("Software") or {}
    method = str(settings.get("unwrap", {}).get("method", "not stated"))
    unwrap, fit = _UNWRAPPINGS.get(method, method), done.get("total", "not stated")
    if given := supplied_field(series):
        unwrap = fit = f"none: the {given} field was supplied"
    rows = [
        ["Field strength", f"{float(b0):.3g} T" if b0 is not None else "not stated"],
        ["Echo times", _times(echo_times(series))],
        ["Matrix", " × ".join(str(n) for n in image.shape[:3])],
        ["Voxel", " × ".join(f"{float(size):.3g}" for size in image.header.get_zooms()[:3]) + " mm"],
        *_scan_rows(series),
        ["Unwrapping", unwrap],
        ["Combination of echoes", fit],
        ["Masking", done.get("brain", "not stated")],
        ["Background removal", done.get("local", "not stated")],
        ["Inversion", "; ".join(maps) or "none"],
        ["Zero of the susceptibility", str(settings.get("reference", "not stated"))],
        ["Software", ", ".join(f"{name} {version}" for name, version in software.items()) or "not stated"],
    ]
    return Table(f"To report with the maps of {series.name}", ["Item", "Value"], rows)


def supplied_field(series: SeriesFiles) -> str:
    """``local`` or ``total``, the field of `series` that the user supplied; empty where it was computed."""
    for kind in ("local", "total"):
        if kind in series.native and series.native[kind].sidecar.get("Method") == SUPPLIED:
            return kind
    return ""


def _how(found: Found) -> str:
    """The stages that made `found`, as far as its sidecar tells them, each with the settings that decide."""
    stages = [*(found.sidecar.get("StagesBefore") or []), found.sidecar]
    return ", then ".join(
        str(one.get("Method", "not stated")) + in_brackets(_settings(one, without=("method",))) for one in stages
    )


def _map(kind: str, found: Found) -> str:
    """A χ map: its title, the method behind it where that is called otherwise, and the settings that decide."""
    title, method = title_of(kind), str(found.sidecar.get("Method", "not stated"))
    told = [method] if method != title else []
    settings = _settings(found.sidecar)
    if isinstance(found.stated("ChosenWeight"), int | float):
        settings += f", the weight chosen by {(found.sidecar.get('Parameters') or {}).get('choose_weight')}"
    return title + in_brackets("; ".join([*told, *([settings] if settings else [])]))


def _settings(stage: Mapping[str, Any], without: Sequence[str] = ()) -> str:
    name, parameters = str(stage.get("Stage")), stage.get("Parameters") or {}
    return stated(name, parameters, without=without) if isinstance(getattr(Config(), name, None), Settings) else ""


def _scan_rows(series: SeriesFiles) -> list[list[str]]:
    """What the scanner's sidecar tells, see `qsmflow.bids.scan`."""

    def told(*parts: tuple[str, float, str]) -> str:
        found = []
        for name, factor, unit in parts:
            value = series.value(name)
            if isinstance(value, int | float):
                value = f"{factor * value:.4g}"
            found += [f"{value}{unit}"] if value else []
        return ", ".join(found) or "not stated"

    partial = series.value("PartialFourier")
    time = "RepetitionTime" if series.value("RepetitionTime") else "RepetitionTimeExcitation"
    return [
        ["Scanner", told(("Manufacturer", 1, ""), ("ManufacturersModelName", 1, ""))],
        ["Coil", told(("ReceiveCoilName", 1, ""))],
        ["Repetition time", told((time, 1000, " ms"))],
        ["Flip angle", told(("FlipAngle", 1, "°"))],
        ["Bandwidth", told(("PixelBandwidth", 1, " Hz per pixel"))],
        [
            "Acceleration",
            told(
                ("ParallelAcquisitionTechnique", 1, ""),
                ("ParallelReductionFactorInPlane", 1, " in plane"),
                *([("PartialFourier", 1, " of k-space (partial Fourier)")] if partial != 1 else []),
            ),
        ],
    ]
