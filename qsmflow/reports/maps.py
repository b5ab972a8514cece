"""The section that shows the maps of one series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from qsmflow.bids.naming import OUTPUTS, spread_of
from qsmflow.config import NETWORKS
from qsmflow.reports.blocks import Block, Details, Note, Picture, Section
from qsmflow.reports.collect import Found, SeriesFiles
from qsmflow.reports.curves import weight_picture
from qsmflow.reports.figures import (
    Scale,
    chi_scale,
    field_scale,
    magnitude_scale,
    mosaic,
    noise_scale,
    relaxation_scale,
    side_by_side,
    symmetric_limit,
)
from qsmflow.reports.measures import millilitres, spread
from qsmflow.reports.volume import Cuts, Volume, choose_cuts, load_volume

TITLES = {
    "magnitude": "Magnitude",
    "registered": "Registered magnitude",
    "total": "Total field",
    "noise": "Noise of the total field",
    "r2star": "R2*",
    "local": "Local field",
    "brain": "Brain mask",
    "localmask": "Local-field mask",
    "csf": "CSF mask",
    "reference": "Reference mask",
    "tkd": "TKD",
    "tsvd": "TSVD",
    "l2": "L2",
    "ilsqr": "iLSQR",
    "rts": "RTS",
    "tv": "TV",
    "nltv": "Nonlinear TV",
    "tgv": "TGV",
    "nltgv": "Nonlinear TGV",
    "ndi": "NDI",
    "whtv": "WH-TV",
    "medi": "MEDI",
    "denoised": "Denoised local field",
    "qsmnet": "QSMnet",
    "qsmnet_plus": "QSMnet+",
    "siqsm": "SI-QSM",
    "deepqsm": "DeepQSM",
    "cosmos": "COSMOS",
    "cosmoskspace": "COSMOS (k-space)",
    "truth": "Truth",
    "xfm": "Transform",
}
#: Standard deviations between networks, which are no maps of χ.
_SPREADS = {spread_of(name): name for name in NETWORKS}
TITLES |= {spread: f"Spread of {TITLES[name]} between networks" for spread, name in _SPREADS.items()}
#: Share of the brain whose loss to erosion calls for a look.
_MUCH_EROSION = 0.3


def title_of(kind: str) -> str:
    """How the report calls a kind of derivative."""
    return TITLES.get(kind, kind)


def chi_kinds(files: Mapping[str, Found]) -> list[str]:
    """The χ maps among `files`, those of `OUTPUTS` first."""
    maps = (kind for kind, found in files.items() if found.suffix == "Chimap" and kind not in _SPREADS)
    return sorted(maps, key=_rank)


def _rank(kind: str) -> tuple[int, str]:
    order = list(OUTPUTS)
    return (order.index(kind) if kind in order else len(order), kind)


@dataclass
class Loaded:
    """Volumes that lie on one grid, by kind, and notes on the files that could not be shown."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    notes: list[Block] = field(default_factory=list)


def load_all(files: Mapping[str, Found], frame: Volume | None = None) -> Loaded:
    """Read `files`; what is unreadable or off the grid of the first of `OUTPUTS` (or `frame`) becomes a note."""
    loaded = Loaded()
    for kind, found in sorted(files.items(), key=lambda item: _rank(item[0])):
        try:
            volume = load_volume(found.path)
        except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
            loaded.notes.append(Note(f"{found.path.name} cannot be read ({error}).", "bad"))
            continue
        frame = frame or volume
        if frame.matches(volume):
            loaded.volumes[kind] = volume
        else:
            loaded.notes.append(Note(f"{found.path.name} lies on another grid than the rest and is not shown.", "warn"))
    return loaded


@dataclass
class SeriesView:
    """The section of one series and the numbers it took from the maps, by the name of the measure."""

    section: Section
    numbers: dict[str, str]


def series_view(series: SeriesFiles, limits: Mapping[str, float]) -> SeriesView:
    """Show every map of a series in its own frame.

    Parameters
    ----------
    series
        Its derivatives; whatever is missing is named.
    limits
        Range, ppm, of the total and the local field, shared by the series of a head.
    """
    loaded = load_all(series.native)
    section = Section(series.name, series.name, list(loaded.notes))
    numbers: dict[str, str] = {}
    section.blocks += _missing(series)
    section.blocks += _warnings(series)
    volumes = loaded.volumes
    if not volumes:
        return SeriesView(section, numbers)
    frame = next(iter(volumes.values()))
    brain, local = first_mask(volumes, "brain", "localmask"), first_mask(volumes, "localmask", "brain")
    region = brain if brain is not None else frame.mask
    cuts = choose_cuts(region, frame.voxel_size)
    section.blocks += _mask_numbers(volumes, numbers)
    if "magnitude" in volumes or "brain" in volumes or "localmask" in volumes:
        section.blocks.append(_mask_picture(series, volumes, cuts))
    seen = (("total", brain), ("noise", brain), ("local", local), ("r2star", brain), *((s, local) for s in _SPREADS))
    for kind, mask in seen:
        if kind in volumes:
            scale = _scale(kind, volumes[kind].data[_inside(volumes[kind], mask)], limits)
            section.blocks.append(_map_picture(series.name, kind, volumes[kind], cuts, scale, mask, numbers))
    chis = {kind: volumes[kind] for kind in chi_kinds(series.native) if kind in volumes}
    section.blocks += chi_blocks(series.name, chis, cuts, local, numbers)
    curves = [weight_picture(series.name, title_of(kind), series.native[kind]) for kind in chis]
    section.blocks += [picture for picture in curves if picture is not None]
    return SeriesView(section, numbers)


def _scale(kind: str, values: NDArray[np.float32], limits: Mapping[str, float]) -> Scale:
    if kind == "noise":
        return noise_scale(values, "the field (ppm of B0)")
    if kind in _SPREADS:
        return noise_scale(values, "χ (ppm)")
    if kind == "r2star":
        return relaxation_scale(values)
    return field_scale(limits.get(kind) or symmetric_limit(values))


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
        Note(f"{title_of(kind)}: {text}.", "warn")
        for kind, found in sorted(series.native.items(), key=lambda item: _rank(item[0]))
        for text in found.warnings
    ]


def first_mask(volumes: Mapping[str, Volume], *kinds: str) -> NDArray[np.bool_] | None:
    """The first mask of `kinds` that is among `volumes`."""
    return next((volumes[kind].data > 0 for kind in kinds if kind in volumes), None)


def _inside(volume: Volume, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    return volume.mask if mask is None else mask & np.isfinite(volume.data)


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


def _map_picture(
    name: str,
    kind: str,
    volume: Volume,
    cuts: Cuts,
    scale: Scale,
    mask: NDArray[np.bool_] | None,
    numbers: dict[str, str],
) -> Picture:
    inside = _inside(volume, mask)
    found = spread(volume, inside)
    said = f"{found} {scale.unit}" if found else "no voxel inside the mask"
    title = title_of(kind)
    if "field" not in title and kind != "r2star" and kind not in _SPREADS:
        title = f"χ, {title}"
    if found:
        decimals = 4 if scale.unit == "ppm" else 1
        numbers[f"{title}: mean ± SD ({scale.unit})"] = f"{found.mean:.{decimals}f} ± {found.sd:.{decimals}f}"
    png = mosaic(volume, cuts, scale, mask=inside)
    shown = f"{scale.low:g} to {scale.high:g} {scale.unit}"
    alt = f"{title} of {name} in three planes, shown from {shown}; inside the mask: {said}."
    return Picture(f"{name}_{kind}", png, alt, f"{title}. Inside the mask: {said}.")


def chi_blocks(
    name: str, chis: Mapping[str, Volume], cuts: Cuts, mask: NDArray[np.bool_] | None, numbers: dict[str, str]
) -> list[Block]:
    """The χ maps of one frame side by side, and each in three planes; their numbers go into `numbers`.

    Parameters
    ----------
    name
        What the maps belong to; it begins the names of the pictures.
    chis
        Maps by kind, all on one grid.
    cuts
        Slices.
    mask
        Bool, shape (X, Y, Z): what is shown. None: where a map is not zero.
    numbers
        Numbers by the name of the measure.
    """
    if not chis:
        return []
    scale = chi_scale()
    single: list[Block] = [_map_picture(name, kind, v, cuts, scale, mask, numbers) for kind, v in chis.items()]
    if len(chis) == 1:
        return single
    shown = mask if mask is not None else np.logical_or.reduce([v.mask for v in chis.values()])
    titled = {title_of(kind): volume for kind, volume in chis.items()}
    png = side_by_side(titled, cuts, scale, mask=shown)
    deviation = ", ".join(f"{t} {s.sd:.3g}" for t, v in titled.items() if (s := spread(v, _inside(v, shown))))
    names = ", ".join(titled)
    alt = f"Susceptibility of {name} by {names}, the same slices in each row, −0.1 to 0.1 ppm; SD in ppm: {deviation}."
    both = Picture(f"{name}_chi", png, alt, f"χ, one row a method: {names}. SD inside the mask (ppm): {deviation}.")
    return [both, Details("Each χ map in three planes", single)]


def field_limits(series: Iterable[SeriesFiles]) -> dict[str, float]:
    """Range, ppm, in which a head's total and local fields are shown: that of the first series which has the map."""
    limits: dict[str, float] = {}
    for one in series:
        for kind in {"total", "local"} & set(one.native) - set(limits):
            masks = ("brain", "localmask") if kind == "total" else ("localmask", "brain")
            wanted = {k: one.native[k] for k in (kind, *masks) if k in one.native}
            volumes = load_all(wanted).volumes
            if kind in volumes:
                limits[kind] = symmetric_limit(volumes[kind].data[_inside(volumes[kind], first_mask(volumes, *masks))])
    return limits
