"""Small BIDS datasets of random numbers, for tests of what happens around the numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from qsmflow.bids.naming import derivative_path, folder, join_entities, sidecar_path
from qsmflow.bids.write import describe_dataset

SHAPE = (8, 9, 10)


def save_image(
    path: Path, data: np.ndarray, affine: np.ndarray | None = None, sidecar: Mapping[str, Any] | None = None
):
    """Write `data` and, when given, its sidecar; returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(data, np.eye(4) if affine is None else affine), path)
    if sidecar is not None:
        sidecar_path(path).write_text(json.dumps(sidecar))
    return path


def random_part(part: str, shape: Sequence[int], rng: np.random.Generator, stored: str = "radians") -> np.ndarray:
    """A volume of `part`; `stored` says how phase is: ``radians`` (float) or ``siemens`` (0..4095)."""
    if part == "phase" and stored == "siemens":
        data = rng.integers(0, 4096, shape).astype(np.int16)
        data.flat[:2] = 0, 4095
        return data
    if part == "phase":
        return rng.uniform(-np.pi, np.pi, shape).astype(np.float32)
    low = 50.0 if part == "mag" else -100.0
    return rng.uniform(low, 100.0, shape).astype(np.float32)


def make_bids(
    root: Path,
    *,
    subjects: Sequence[str] = ("01",),
    sessions: Sequence[str] = (),
    orientations: Sequence[str] = ("",),
    entity: str = "acq",
    echoes: Sequence[float] = (0.005, 0.010, 0.015),
    parts: Sequence[str] = ("mag", "phase"),
    suffix: str = "MEGRE",
    shape: Sequence[int] = SHAPE,
    affine: np.ndarray | None = None,
    b0: float | None = 3.0,
    stored: str = "radians",
    as_4d: bool = False,
    more: Mapping[str, str] | None = None,
    sidecar: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """Write a raw dataset under `root` and return `root`; call it again to add to it.

    Parameters
    ----------
    orientations
        Values of `entity`; the empty string leaves the entity out.
    echoes
        s; a single one is written without ``echo``, and with `as_4d` all go into one file.
    parts
        ``mag``, ``phase``, ``real``, ``imag``; the empty string is a magnitude whose name has no part.
    stored
        How phase is stored; see `random_part`.
    more
        Further entities of every file.
    sidecar
        Fields added to every sidecar; None takes one out.
    """
    describe_dataset(root, "Random numbers", derivative=False, ignored=())
    rng = np.random.default_rng(seed)
    numbered = suffix == "MEGRE" or len(echoes) > 1
    for subject in subjects:
        for session in sessions or ("",):
            for orientation in orientations:
                place = {"sub": subject} | ({"ses": session} if session else {})
                place |= {entity: orientation} if orientation else {}
                place |= more or {}
                for part in parts:
                    named = place | ({"part": part} if part else {})
                    fields: dict[str, Any] = {"MagneticFieldStrength": b0}
                    if part == "phase":
                        fields["Units"] = "rad" if stored == "radians" else "arbitrary"
                    if as_4d:
                        data = random_part(part, (*shape, len(echoes)), rng, stored)
                        files = [(named, data, list(echoes))]
                    else:
                        files = [
                            (
                                named | ({"echo": str(i)} if numbered else {}),
                                random_part(part, shape, rng, stored),
                                time,
                            )
                            for i, time in enumerate(echoes, start=1)
                        ]
                    for entities, data, time in files:
                        path = folder(root, place, "anat") / f"{join_entities(entities)}_{suffix}.nii.gz"
                        content = fields | {"EchoTime": time} | dict(sidecar or {})
                        content = {key: value for key, value in content.items() if value is not None}
                        save_image(path, data, affine, content)
    return root


def add_derivative(
    root: Path, entities: Mapping[str, str], output: str, data: np.ndarray | None = None, units: str | None = "ppm"
) -> Path:
    """Write the derivative `output` (a key of `qsmflow.bids.naming.OUTPUTS`) of a series; returns its path."""
    describe_dataset(root, "Random derivatives")
    rng = np.random.default_rng(1)
    is_mask = output in ("brain", "csf", "reference")
    if data is None and is_mask:
        data = np.zeros(SHAPE, np.uint8)
        data[2:-2, 2:-2, 2:-2] = 1
    elif data is None and output == "rois":
        data = rng.integers(0, 4, SHAPE).astype(np.int16)
    elif data is None:
        data = rng.normal(0, 0.05, SHAPE).astype(np.float32)
    path = derivative_path(root, entities, output)
    fields: dict[str, Any] = {"Type": "Brain"} if output == "brain" else {"SkullStripped": True}
    if units and not is_mask and output != "rois":
        fields["Units"] = units
    return save_image(path, data, None, fields)


def edit_sidecar(path: Path, **fields: Any) -> Path:
    """Set fields in the sidecar of the image `path` (None takes one out); returns the sidecar's path."""
    file = sidecar_path(path)
    content = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return file


def edit_image(path: Path, change: Any) -> Path:
    """Replace the voxels of the image `path` by ``change(voxels)``; returns `path`."""
    image = nib.load(path)
    data = change(np.asanyarray(image.dataobj).copy())
    nib.save(nib.Nifti1Image(data, image.affine), path)
    return path
