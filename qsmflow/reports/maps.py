"""The section that shows the maps of one series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qsmflow.reports.blocks import Block, Note, Picture, Section
from qsmflow.reports.chi import chi_blocks, map_picture
from qsmflow.reports.collect import SeriesFiles, echo_times, series_b0
from qsmflow.reports.curves import weight_picture
from qsmflow.reports.figures import mosaic
from qsmflow.reports.loaded import first_mask, inside, load_all
from qsmflow.reports.measures import millilitres
from qsmflow.reports.quality import Figure, series_figures
from qsmflow.reports.regions import Region, region_names, regions_of
from qsmflow.reports.scales import (
    Scale,
    chi_scale,
    field_scale,
    magnitude_scale,
    noise_scale,
    phase_scale,
    relaxation_scale,
    symmetric_limit,
)
from qsmflow.reports.titles import SPREADS, chi_kinds, rank, title_of
from qsmflow.reports.viewer import viewer
from qsmflow.reports.volume import Cuts, Volume, choose_cuts, ras_direction

#: Share of the brain whose loss to erosion calls for a look.
_MUCH_EROSION = 0.3


@dataclass
class SeriesView:
    """The section of one series and what it took from the maps.

    These are numbers by the name of the measure, figures of quality, and the statistics of regions.
    """

    section: Section
    numbers: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)


def series_view(series: SeriesFiles, limits: Mapping[str, float], *, with_viewer: bool) -> SeriesView:
    """Show every map of a series in its own frame.

    Parameters
    ----------
    series
        Its derivatives; whatever is missing is named.
    limits
        Range, ppm, of the total and the local field, shared by the series of a head.
    with_viewer
        Also lay the χ maps over the magnitude in a viewer, which takes a few megabytes of the page.
    """
    loaded = load_all(series.native)
    section = Section(series.name, series.name, list(loaded.notes))
    view = SeriesView(section)
    numbers = view.numbers
    section.blocks += _missing(series)
    section.blocks += _warnings(series)
    volumes = loaded.volumes
    if not volumes:
        return view
    frame = next(iter(volumes.values()))
    brain, local = first_mask(volumes, "brain", "localmask"), first_mask(volumes, "localmask", "brain")
    region = brain if brain is not None else frame.mask
    cuts = choose_cuts(region, frame.voxel_size)
    section.blocks += _mask_numbers(volumes, numbers)
    if "magnitude" in volumes or "brain" in volumes or "localmask" in volumes:
        section.blocks.append(_mask_picture(series, volumes, cuts))
    seen = (
        ("wrapped", brain),
        ("total", brain),
        ("noise", brain),
        ("local", local),
        ("r2star", brain),
        *((s, local) for s in SPREADS),
    )
    for kind, mask in seen:
        if kind in volumes:
            shown = _in_ppb(volumes[kind]) if kind == "noise" else volumes[kind]
            scale = _scale(kind, shown.data[inside(shown, mask)], limits)
            section.blocks.append(
                map_picture(series.name, kind, shown, cuts, scale, mask, numbers, _echo(series, kind))
            )
    chis = {kind: volumes[kind] for kind in chi_kinds(series.native) if kind in volumes}
    section.blocks += chi_blocks(series.name, chis, cuts, local, numbers)
    if with_viewer and chis:
        # the last first: a network, or COSMOS
        section.blocks.append(viewer(series.name, volumes.get("magnitude"), dict(reversed(chis.items())), local))
    own = [kind for kind in chis if kind != "cosmos"]
    b0_dir = ras_direction(next(iter(series.native.values())).path, series_b0(series))
    view.figures = series_figures(series, volumes, own, b0_dir)
    if "rois" in volumes:
        view.regions = regions_of(series.name, chis, volumes["rois"], region_names(series.native["rois"].sidecar))
        section.blocks += _regions_picture(series, volumes["rois"], volumes.get("magnitude"), chis, cuts)
    curves = [weight_picture(series.name, title_of(kind), series.native[kind]) for kind in chis]
    section.blocks += [picture for picture in curves if picture is not None]
    return view


def _scale(kind: str, values: NDArray[np.float32], limits: Mapping[str, float]) -> Scale:
    if kind == "wrapped":
        return phase_scale()
    if kind == "noise":
        return noise_scale(values, "the field", "ppb")
    if kind in SPREADS:
        return noise_scale(values, "χ", "ppm")
    if kind == "r2star":
        return relaxation_scale(values)
    return field_scale(limits.get(kind) or symmetric_limit(values))


def _echo(series: SeriesFiles, kind: str) -> str:
    """``echo 4 (TE 20 ms)`` of a map of one echo, as far as its name and the sidecars tell; else empty."""
    number = series.native[kind].entities.get("echo")
    if number is None:
        return ""
    times = echo_times(series)
    known = number.isdecimal() and 0 < int(number) <= len(times)
    return f"echo {number}" + (f" (TE {1000 * times[int(number) - 1]:.4g} ms)" if known else "")


def _in_ppb(volume: Volume) -> Volume:
    return Volume(1000 * volume.data, volume.voxel_size, volume.affine)


def _missing(series: SeriesFiles) -> list[Block]:
    lacking = [
        title_of(kind).lower()
        for kind in ("magnitude", "brain", "total", "local", "localmask")
        if kind not in series.native
    ]
    if not chi_kinds(series.native):
        lacking.append("χ map")
    if not lacking:
        return []
    told = f"Not in the derivatives of this series: {', '.join(lacking)}."
    return [Note(f"{told} Either supplied from elsewhere or not computed.")]


def _warnings(series: SeriesFiles) -> list[Block]:
    return [
        Note(f"{title_of(kind)}: {text.rstrip('.')}{'' if text.endswith('?') else '.'}", "warn")
        for kind, found in sorted(series.native.items(), key=lambda item: rank(item[0]))
        for text in found.warnings
    ]


def _mask_numbers(volumes: Mapping[str, Volume], numbers: dict[str, str]) -> list[Block]:
    sizes = {kind: millilitres(volumes[kind]) for kind in ("brain", "localmask") if kind in volumes}
    numbers.update({f"{title_of(kind)} (ml)": f"{size:.1f}" for kind, size in sizes.items()})
    empty: list[Block] = [Note(f"{title_of(kind)} is empty.", "bad") for kind, size in sizes.items() if size == 0]
    if len(sizes) < 2 or empty:
        return empty
    lost = 1.0 - sizes["localmask"] / sizes["brain"]
    numbers["Lost to erosion (%)"] = f"{100 * lost:.1f}"
    kept = f"{sizes['localmask']:.1f} of {sizes['brain']:.1f} ml"
    text = f"Background removal kept {kept}: {100 * lost:.1f} % of the brain mask was eroded."
    return [Note(text, "warn" if lost > _MUCH_EROSION else "info")]


def _mask_picture(series: SeriesFiles, volumes: Mapping[str, Volume], cuts: Cuts) -> Picture:
    masks = {title_of(kind): volumes[kind] for kind in ("brain", "localmask", "csf") if kind in volumes}
    under = volumes.get("magnitude") or volumes.get("local") or next(iter(masks.values()))
    what = "magnitude" if "magnitude" in volumes else "local field" if "local" in volumes else "mask"
    limit = symmetric_limit(under.data[under.mask])
    scale = Scale(-limit, limit, "gray", "field (ppm of B0)") if what == "local field" else magnitude_scale(under)
    sizes = ", ".join(f"{name.lower()} {millilitres(mask):.0f} ml" for name, mask in masks.items()) or "no mask"
    png = mosaic(under, cuts, scale, contours=masks)
    alt = f"{what.capitalize()} of {series.name} in three planes with the outlines of the masks: {sizes}."
    return Picture(f"{series.name}_mask", png, alt, f"{what.capitalize()} and masks ({sizes}).")


def _regions_picture(
    series: SeriesFiles, labels: Volume, magnitude: Volume | None, chis: Mapping[str, Volume], cuts: Cuts
) -> list[Block]:
    """The outlines of the regions over the last map, or the magnitude: neighbours by number in different colours."""
    last = [*chis][-1:]
    under = chis[last[0]] if last else magnitude or labels
    scale = chi_scale() if chis else magnitude_scale(under)
    known = np.where(under.mask, labels.data, 0) if chis else labels.data
    indices = np.unique(known[known > 0])
    if not len(indices):
        return []
    outlines = {}
    for first in range(min(3, len(indices))):
        some = indices[first::3]
        named = "labels " + ", ".join(f"{index:g}" for index in some[:3]) + (" …" if len(some) > 3 else "")
        outlines[named] = Volume(np.isin(known, some).astype(np.float32), labels.voxel_size, labels.affine)
    png = mosaic(under, cuts, scale, mask=under.mask, contours=outlines)
    what = f"χ, {title_of(last[0])}" if last else "the magnitude"
    method = series.native["rois"].sidecar.get("Method", "not stated")
    told = f"Outlines of {len(indices)} regions ({method}) on {what}"
    caption = f"{told}; the labels are the indices of the Regions table."
    return [Picture(f"{series.name}_rois", png, f"{told} of {series.name} in three planes.", caption)]


def field_limits(series: Iterable[SeriesFiles]) -> dict[str, float]:
    """Range, ppm, in which a head's total and local fields are shown: that of the first series which has the map."""
    limits: dict[str, float] = {}
    for one in series:
        for kind in {"total", "local"} & set(one.native) - set(limits):
            masks = ("brain", "localmask") if kind == "total" else ("localmask", "brain")
            wanted = {k: one.native[k] for k in (kind, *masks) if k in one.native}
            volumes = load_all(wanted).volumes
            if kind in volumes:
                limits[kind] = symmetric_limit(volumes[kind].data[inside(volumes[kind], first_mask(volumes, *masks))])
    return limits
