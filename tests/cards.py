"""A card of a network that is small enough for tests."""

from __future__ import annotations

import dataclasses

from qsmflow.nets import Card, Channel

TINY = Card(
    name="tiny",
    network="QSMnet",
    parameters={"width": 2, "kernel": 3},
    inputs=(Channel("field", "ppm", 0.0, 0.05),),
    output=Channel("chi", "ppm", 0.0, 0.1),
    largest=1.0,
)
#: The same for fields in voxels of 4 mm.
COARSE = dataclasses.replace(TINY, largest=2.0, voxel_size=(4.0, 4.0, 4.0))
#: A denoiser of two levels on the same grid.
DENOISER = dataclasses.replace(
    COARSE,
    network="Denoiser",
    parameters={"width": 2, "levels": 2},
    inputs=(Channel("field", "ppm", 0.0, 0.05), Channel("noise", "ppm", 0.0, 0.01)),
    output=Channel("field", "ppm", 0.0, 0.05),
)
