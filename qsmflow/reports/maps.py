"""The sections that show maps: each series, the registration of the orientations, COSMOS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from qsmflow.bids.naming import OUTPUTS
from qsmflow.reports.blocks import Block, Details, Flicker, Note, Picture, Section, Table
from qsmflow.reports.collect import Found, HeadFiles, SeriesFiles
from qsmflow.reports.figures import (
    Scale,
    chi_scale,
    edge_overlay,
    field_scale,
    magnitude_scale,
    mosaic,
    side_by_side,
    symmetric_limit,
)
from qsmflow.reports.measures import angle_between, b0_from_affine, millilitres, spread
from qsmflow.reports.volume import Cuts, Volume, choose_cuts, load_volume

TITLES = {
    "magnitude": "Magnitude",
    "total": "Total field",
    "local": "Local field",
    "brain": "Brain mask",
    "localmask": "Local-field mask",
    "tkd": "TKD",
    "l2": "L2",
    "cosmos": "COSMOS",
    "cosmoskspace": "COSMOS, k-space",
    "truth": "Truth",
}
#: Share of the brain whose loss to erosion calls for a look.
_MUCH_EROSION = 0.3
#: ``Condition.smallest`` below this leaves streaks in COSMOS.
_WEAK_CONDITION = 0.05


def title_of(kind: str) -> str:
    """How the report calls a kind of derivative."""
    return TITLES.get(kind, kind)


def chi_kinds(files: Mapping[str, Found]) -> list[str]:
    """The χ maps among `files`, those of `OUTPUTS` first."""
    order = list(OUTPUTS)
    kinds = [kind for kind, found in files.items() if found.suffix == "Chimap"]
    return sorted(kinds, key=lambda kind: (order.index(kind) if kind in order else len(order), kind))


@dataclass
class Loaded:
    """Volumes that lie on one grid, by kind, and notes on the files that could not be shown."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    notes: list[Block] = field(default_factory=list)


def load_all(files: Mapping[str, Found], frame: Volume | None = None) -> Loaded:
    """Read `files`; what is unreadable or on another grid than the first (or `frame`) becomes a note."""
    loaded = Loaded()
    for kind, found in files.items():
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
    section, numbers = Section(series.name, series.name, list(loaded.notes)), {}
    section.blocks += _missing(series)
    volumes = loaded.volumes
    if not volumes:
        return SeriesView(section, numbers)
    frame = next(iter(volumes.values()))
    brain, local = _mask(volumes, "brain", "localmask"), _mask(volumes, "localmask", "brain")
    region = brain if brain is not None else next(iter(volumes.values())).mask
    cuts = choose_cuts(region, frame.voxel_size)
    section.blocks += _mask_numbers(volumes, numbers)
    if "magnitude" in volumes or "brain" in volumes or "localmask" in volumes:
        section.blocks.append(_mask_picture(series, volumes, cuts))
    for kind, mask in (("total", brain), ("local", local)):
        if kind in volumes:
            scale = field_scale(limits.get(kind) or symmetric_limit(volumes[kind].data[_inside(volumes[kind], mask)]))
            section.blocks.append(_map_picture(series.name, kind, volumes[kind], cuts, scale, mask, numbers))
    chis = {kind: volumes[kind] for kind in chi_kinds(series.native) if kind in volumes}
    section.blocks += _chi_blocks(series.name, chis, cuts, local, numbers)
    return SeriesView(section, numbers)


def _missing(series: SeriesFiles) -> list[Block]:
    lacking = [title_of(kind).lower() for kind in ("magnitude", "brain", "total", "local", "localmask") if kind not in series.native]
    if not chi_kinds(series.native):
        lacking.append("χ map")
    if not lacking:
        return []
    return [Note(f"Not in the derivatives of this series: {', '.join(lacking)}. Either supplied from elsewhere or not computed.")]


def _mask(volumes: Mapping[str, Volume], *kinds: str) -> NDArray[np.bool_] | None:
    return next((volumes[kind].data >= 0.5 for kind in kinds if kind in volumes), None)


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
    text = f"Background removal kept {sizes['localmask']:.1f} of {sizes['brain']:.1f} ml: {100 * lost:.1f} % of the brain mask was eroded."
    return [Note(text, "warn" if lost > _MUCH_EROSION else "info")]


def _mask_picture(series: SeriesFiles, volumes: Mapping[str, Volume], cuts: Cuts) -> Picture:
    masks = {title_of(kind): volumes[kind] for kind in ("brain", "localmask") if kind in volumes}
    under = volumes.get("magnitude") or volumes.get("local") or next(iter(masks.values()))
    what = "magnitude" if "magnitude" in volumes else "local field" if "local" in volumes else "mask"
    scale = magnitude_scale(under) if what != "local field" else Scale(*2 * (0.0,), "gray", "")
    if what == "local field":
        limit = symmetric_limit(under.data[under.mask])
        scale = Scale(-limit, limit, "gray", "local field (ppm of B0)")
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
    said = f"{found} ppm" if found else "no voxel inside the mask"
    title = title_of(kind) if "field" in title_of(kind) else f"χ, {title_of(kind)}"
    if found:
        numbers[f"{title}: mean ± SD (ppm)"] = f"{found.mean:.4f} ± {found.sd:.4f}"
    png = mosaic(volume, cuts, scale, mask=inside)
    alt = f"{title} of {name} in three planes, shown from {scale.low:g} to {scale.high:g} ppm; inside the mask: {said}."
    return Picture(f"{name}_{kind}", png, alt, f"{title}. Inside the mask: {said}.")


def _chi_blocks(
    name: str, chis: Mapping[str, Volume], cuts: Cuts, mask: NDArray[np.bool_] | None, numbers: dict[str, str]
) -> list[Block]:
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
                limits[kind] = symmetric_limit(volumes[kind].data[_inside(volumes[kind], _mask(volumes, *masks))])
    return limits


def registration_section(head: HeadFiles) -> Section:
    """Angles and translations of every orientation, and each registered magnitude against the reference."""
    section = Section(f"{head.name}_registration", "Registration")
    rows = [[f"{head.reference} (reference)", "0", "0, 0, 0", _vector(_reference_b0(head)), "", ""]]
    for label, transform in head.transforms.items():
        told = transform.sidecar
        angle, shift = told.get("RotationAngle"), told.get("Translation")
        rows.append(
            [
                label,
                f"{float(angle):.2f}" if angle is not None else "not stated",
                ", ".join(f"{float(mm):+.1f}" for mm in shift) if shift is not None else "not stated",
                _vector(told.get("B0Direction")),
                str(told.get("Method", "not stated")),
                transform.path.name,
            ]
        )
    columns = ["Orientation", "Rotation (°)", "Translation (mm)", "B0 in the reference's voxel axes", "Method", "Transform"]
    section.blocks.append(Table("Rigid transforms to the reference", columns, rows))
    reference = next((one for one in head.series if one.label == head.reference), None)
    frame = load_all({k: reference.native[k] for k in ("magnitude", "brain") if k in reference.native}) if reference else Loaded()
    still = frame.volumes.get("magnitude")
    if still is None:
        section.blocks.append(Note("The reference has no magnitude among the derivatives: no overlay can be shown."))
        return section
    brain = _mask(frame.volumes, "brain")
    cuts = choose_cuts(brain if brain is not None else still.mask, still.voxel_size, count=5)
    outline = {"Brain mask of the reference": frame.volumes["brain"]} if brain is not None else {}
    scene = mosaic(still, cuts, magnitude_scale(still), contours=outline)
    for one in head.series:
        if one.label != head.reference and "magnitude" in one.moved:
            section.children.append(_overlay(one, str(head.reference), still, scene, outline, cuts))
    return section


def _overlay(
    one: SeriesFiles, reference: str, still: Volume, scene: bytes, outline: Mapping[str, Volume], cuts: Cuts
) -> Section:
    name = f"{one.name}_registration"
    section = Section(name, f"{one.label} on {reference}")
    loaded = load_all({"magnitude": one.moved["magnitude"]}, still)
    section.blocks += loaded.notes
    if "magnitude" in loaded.volumes:
        moved = loaded.volumes["magnitude"]
        both = still.mask & moved.mask
        alike = float(np.corrcoef(still.data[both], moved.data[both])[0, 1]) if both.sum() > 1 else float("nan")
        told = f"correlation of the two magnitudes {alike:.3f}"
        png = mosaic(moved, cuts, magnitude_scale(moved), contours=outline)
        first = Picture(f"{name}_reference", scene, f"Magnitude of the reference {reference} in three planes.", reference)
        second = Picture(f"{name}_moved", png, f"Magnitude of {one.label} registered to {reference}; {told}.", one.label)
        caption = f"{reference} and {one.label} in turn: what jumps is misregistered ({told})."
        edges = Picture(
            f"{name}_edges",
            edge_overlay(still, moved, cuts),
            f"Registered magnitude of {one.label} with the edges of {reference} in orange; {told}.",
            f"Edges of {reference} (orange) on the registered {one.label}.",
        )
        section.blocks += [Flicker(name + "_flicker", first, second, caption), Details("Edges of the reference on it", [edges])]
    return section


def _reference_b0(head: HeadFiles) -> Sequence[float] | None:
    reference = next((one for one in head.series if one.label == head.reference), None)
    if reference is None or not reference.native:
        return None
    stated = reference.value("B0Direction", "B0_dir")
    return stated if stated is not None else b0_from_affine(nib.load(next(iter(reference.native.values())).path).affine)


def _vector(direction: Sequence[float] | None) -> str:
    return "not stated" if direction is None else ", ".join(f"{float(c):+.3f}" for c in direction)


def cosmos_section(head: HeadFiles, numbers: dict[str, str]) -> Section:
    """Both COSMOS solutions and how well the orientations determine them; `numbers` takes what the maps measure."""
    section = Section(f"{head.name}_cosmos", "COSMOS")
    section.blocks += _condition_blocks(head, numbers)
    loaded = load_all(head.shared)
    section.blocks += loaded.notes
    chis = {kind: loaded.volumes[kind] for kind in chi_kinds(head.shared) if kind in loaded.volumes}
    if not chis:
        section.blocks.append(Note("No COSMOS map is among the derivatives of this head."))
        return section
    first = next(iter(chis.values()))
    cuts = choose_cuts(first.mask, first.voxel_size)
    section.blocks += _chi_blocks(f"{head.name}_space-{head.reference}", chis, cuts, None, numbers)
    return section


def _condition_blocks(head: HeadFiles, numbers: dict[str, str]) -> list[Block]:
    directions = {str(head.reference): _reference_b0(head)}
    directions |= {label: found.sidecar.get("B0Direction") for label, found in head.transforms.items()}
    known = {label: b0 for label, b0 in directions.items() if b0 is not None}
    if len(known) < 2:
        return [Note("The sidecars of the transforms do not state B0Direction: the condition cannot be given.")]
    from qsmflow.core.inversion.cosmos import condition

    labels = list(known)
    rows = [[a, *(f"{angle_between(known[a], known[b]):.1f}" for b in labels)] for a in labels]
    found = condition([tuple(map(float, b0)) for b0 in known.values()])
    numbers["Condition of the orientations (best 0.298)"] = f"{found.smallest:.3f}"
    text = (
        f"Condition: the weakest direction of k-space is seen with {found.smallest:.3f} (0 is blind, 0.298 the best that "
        f"any set reaches); {100 * found.weak:.1f} % of k-space is below 0.1."
    )
    tone = "warn" if found.smallest < _WEAK_CONDITION else "info"
    return [Table("Angles between the B0 directions (°)", ["", *labels], rows), Note(text, tone)]
