"""The sections on the orientations of one head: registration and COSMOS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import nibabel as nib
import numpy as np

from qsmflow.core.geometry import b0_direction
from qsmflow.core.inversion.cosmos import condition
from qsmflow.reports.blocks import Block, Details, Flicker, Note, Picture, Section, Table
from qsmflow.reports.collect import HeadFiles, SeriesFiles
from qsmflow.reports.figures import edge_overlay, magnitude_scale, mosaic
from qsmflow.reports.maps import Loaded, chi_blocks, chi_kinds, first_mask, load_all
from qsmflow.reports.measures import angle_between
from qsmflow.reports.volume import Cuts, Volume, choose_cuts


def registration_section(head: HeadFiles) -> Section:
    """Angles and translations of every orientation, and each registered magnitude against the reference."""
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
            section.children.append(_overlay(one, str(head.reference), still, scene, outline, cuts))
    return section


def _overlay(
    one: SeriesFiles, reference: str, still: Volume, scene: bytes, outline: Mapping[str, Volume], cuts: Cuts
) -> Section:
    name = f"{one.name}_registration"
    section = Section(name, f"{one.label} on {reference}")
    loaded = load_all({"registered": one.moved["registered"]}, still)
    section.blocks += loaded.notes
    if "registered" in loaded.volumes:
        moved = loaded.volumes["registered"]
        both = still.mask & moved.mask
        alike = float(np.corrcoef(still.data[both], moved.data[both])[0, 1]) if both.sum() > 1 else float("nan")
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
    stated = reference.value("B0Direction", "B0_dir")
    return stated if stated is not None else b0_direction(nib.load(next(iter(reference.native.values())).path).affine)


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
    section.blocks += chi_blocks(f"{head.name}_space-{head.reference}", chis, cuts, None, numbers)
    return section


def _condition_blocks(head: HeadFiles, numbers: dict[str, str]) -> list[Block]:
    directions = {str(head.reference): _reference_b0(head)}
    directions |= {label: found.stated("B0Direction") for label, found in head.transforms.items()}
    known = {label: b0 for label, b0 in directions.items() if b0 is not None}
    if len(known) < 2:
        return [Note("The sidecars of the transforms do not state B0Direction: the condition cannot be given.")]
    labels = list(known)
    rows = [[a, *(f"{angle_between(known[a], known[b]):.1f}" for b in labels)] for a in labels]
    found = condition([tuple(map(float, b0)) for b0 in known.values()])
    numbers["Condition of the orientations (best 0.298)"] = f"{found.smallest:.3f}"
    text = (
        f"The direction of k-space that these orientations see worst is seen with {found.smallest:.3f} "
        f"(0: blind; 0.298: the best of any set); {100 * found.weak:.1f} % of k-space is seen with less than 0.1."
    )
    tone = "warn" if found.poor else "info"
    return [Table("Angles between the B0 directions (°)", ["", *labels], rows), Note(text, tone)]
