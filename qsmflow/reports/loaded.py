"""The images of a series or head, read onto one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from qsmflow.reports.blocks import Block, Note
from qsmflow.reports.collect import Found
from qsmflow.reports.titles import rank
from qsmflow.reports.volume import Volume, load_volume


@dataclass
class Loaded:
    """Volumes that lie on one grid, by kind, and notes on the files that could not be shown."""

    volumes: dict[str, Volume] = field(default_factory=dict)
    notes: list[Block] = field(default_factory=list)


def load_all(files: Mapping[str, Found], frame: Volume | None = None) -> Loaded:
    """Read `files`; what is unreadable or off the grid of the first of `OUTPUTS` (or `frame`) becomes a note."""
    loaded = Loaded()
    for kind, found in sorted(files.items(), key=lambda item: rank(item[0])):
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


def first_mask(volumes: Mapping[str, Volume], *kinds: str) -> NDArray[np.bool_] | None:
    """The first mask of `kinds` that is among `volumes`."""
    return next((volumes[kind].data > 0 for kind in kinds if kind in volumes), None)


def inside(volume: Volume, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Where `volume` is shown: in `mask`, or where it is not zero, and finite."""
    return volume.mask if mask is None else mask & np.isfinite(volume.data)
