"""The sections on the orientations of one head: registration and COSMOS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from qsmflow.core.inversion.cosmos import condition
from qsmflow.reports.blocks import Block, Details, Flicker, Note, Picture, Section, Table
from qsmflow.reports.chi import chi_blocks
from qsmflow.reports.collect import Found, HeadFiles, SeriesFiles, series_b0
from qsmflow.reports.condition import condition_picture
from qsmflow.reports.figures import edge_overlay, mosaic
from qsmflow.reports.loaded import Loaded, first_mask, load_all
from qsmflow.reports.measures import angle_between
from qsmflow.reports.quality import Figure
from qsmflow.reports.regions import Region, region_names, regions_of
from qsmflow.reports.scales import magnitude_scale
from qsmflow.reports.titles import chi_kinds
from qsmflow.reports.volume import Cuts, Volume, choose_cuts


@dataclass
class HeadView:
    """What the orientations of one head tell together: numbers by name, figures of quality, regions."""

    name: str
    numbers: dict[str, str] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)


def registration_section(head: HeadFiles, view: HeadView) -> Section:
    """Angles and translations of every orientation, and each registered magnitude against the reference.

    `view` takes how alike they are.
    """
    section = Section(f"{head.name}_registration", "Registration")
    rows = [[f"{head.reference} (reference)", "0", "0, 0, 0", _vector(_reference_b0(head)), ""]]
    for label, transform in head.transforms.items():
        angle, shift = transform.stated("RotationAngle"), transform.stated("Translation")
        rows.append(
            [
                label,
                f"{float(angle):.2f}" if angle is not None else "not stated",
                ", ".join(f"{float(mm):+.1f}" for mm in shift) if shift is not None else "not stated",
                _vector(transform.stated("B0Direction")),
                str(transform.stated("Method") or "not stated"),
            ]
        )
    columns = ["Orientation", "Rotation (°)", "Translation (mm)", "B0 in the reference's voxel axes", "Method"]
    section.blocks.append(Table("Rigid transforms to the reference", columns, rows))
    reference = next((one for one in head.series if one.label == head.reference), None)
    frame = (
        load_all({k: reference.native[k] for k in ("magnitude", "brain") if k in reference.native})
        if reference
        else Loaded()
    )
    still = frame.volumes.get("magnitude")
    if still is None:
        section.blocks.append(Note("The reference has no magnitude among the derivatives: no overlay can be shown."))
        return section
    brain = first_mask(frame.volumes, "brain")
    cuts = choose_cuts(brain if brain is not None else still.mask, still.voxel_size)
    outline = {"Brain mask of the reference": frame.volumes["brain"]} if brain is not None else {}
    scene = mosaic(still, cuts, magnitude_scale(still), contours=outline)
    for one in head.series:
        if one.label != head.reference and "registered" in one.moved:
            section.children.append(_overlay(one, str(head.reference), still, scene, outline, cuts, view))
    return section


def _overlay(
    one: SeriesFiles,
    reference: str,
    still: Volume,
    scene: bytes,
    outline: Mapping[str, Volume],
    cuts: Cuts,
    view: HeadView,
) -> Section:
    name = f"{one.name}_registration"
    section = Section(name, f"{one.label} on {reference}")
    loaded = load_all({"registered": one.moved["registered"]}, still)
    section.blocks += loaded.notes
    if "registered" in loaded.volumes:
        moved = loaded.volumes["registered"]
        both = still.mask & moved.mask
        alike = float(np.corrcoef(still.data[both], moved.data[both])[0, 1]) if both.sum() > 1 else float("nan")
        if np.isfinite(alike):
            view.figures.append(Figure(one.name, "registration", "", alike))
        told = f"correlation of the two magnitudes {alike:.3f}"
        png = mosaic(moved, cuts, magnitude_scale(moved), contours=outline)
        first = Picture(
            f"{name}_reference", scene, f"Magnitude of the reference {reference} in three planes.", reference
        )
        second = Picture(
            f"{name}_moved", png, f"Magnitude of {one.label} registered to {reference}; {told}.", one.label
        )
        caption = f"{reference} and {one.label} in turn: what jumps is misregistered ({told})."
        edges = Picture(
            f"{name}_edges",
            edge_overlay(still, moved, cuts),
            f"Registered magnitude of {one.label} with the edges of {reference} in orange; {told}.",
            f"Edges of {reference} (orange) on the registered {one.label}.",
        )
        section.blocks += [
            Flicker(name + "_flicker", first, second, caption),
            Details("Edges of the reference on it", [edges]),
        ]
    return section


def _reference_b0(head: HeadFiles) -> Sequence[float] | None:
    reference = next((one for one in head.series if one.label == head.reference), None)
    if reference is None or not reference.native:
        return None
    return series_b0(reference)


def _vector(direction: Sequence[float] | None) -> str:
    return "not stated" if direction is None else ", ".join(f"{float(c):+.3f}" for c in direction)


def cosmos_section(head: HeadFiles, view: HeadView) -> Section:
    """Both COSMOS solutions and how well the orientations determine them; `view` takes what the maps measure."""
    section = Section(f"{head.name}_cosmos", "COSMOS")
    section.blocks += _condition_blocks(head, view)
    loaded = load_all(head.shared)
    section.blocks += loaded.notes
    chis = {kind: loaded.volumes[kind] for kind in chi_kinds(head.shared) if kind in loaded.volumes}
    if not chis:
        section.blocks.append(Note("No COSMOS map is among the derivatives of this head."))
        return section
    first = next(iter(chis.values()))
    cuts = choose_cuts(first.mask, first.voxel_size)
    section.blocks += chi_blocks(view.name, chis, cuts, None, view.numbers)
    labels = _labels(head, first)
    if labels is not None:
        view.regions = regions_of(view.name, chis, labels[0], region_names(labels[1].sidecar))
    return section


def _labels(head: HeadFiles, frame: Volume) -> tuple[Volume, Found] | None:
    """The labels of the reference, where they lie on the grid of COSMOS."""
    reference = next((one for one in head.series if one.label == head.reference), None)
    found = reference.native.get("rois") if reference else None
    volumes = load_all({"rois": found}, frame).volumes if found else {}
    return (volumes["rois"], found) if found and volumes else None


def _condition_blocks(head: HeadFiles, view: HeadView) -> list[Block]:
    directions = {str(head.reference): _reference_b0(head)}
    directions |= {label: found.stated("B0Direction") for label, found in head.transforms.items()}
    known = {label: b0 for label, b0 in directions.items() if b0 is not None}
    if len(known) < 2:
        return [Note("The sidecars of the transforms do not state B0Direction: the condition cannot be given.")]
    labels = list(known)
    rows = [[a, *(f"{angle_between(known[a], known[b]):.1f}" for b in labels)] for a in labels]
    vectors = [tuple(map(float, b0)) for b0 in known.values()]
    found = condition(vectors)
    view.figures.append(Figure(head.name, "condition", "", found.smallest))
    view.numbers["Condition of the orientations (best 0.298)"] = f"{found.smallest:.3f}"
    text = (
        f"The direction of k-space that these orientations see worst is seen with {found.smallest:.3f} "
        f"(0: blind; 0.298: the best of any set); {100 * found.weak:.1f} % of k-space is seen with less than 0.1."
    )
    tone = "warn" if found.poor else "info"
    table = Table("Angles between the B0 directions (°)", ["", *labels], rows)
    return [table, Note(text, tone), condition_picture(head.name, vectors, found)]
