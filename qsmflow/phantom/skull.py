"""The procedural head around the brain: skin, bone, eyes, and the air within."""

from __future__ import annotations

import torch

from qsmflow.phantom.cortex import spinal_column
from qsmflow.phantom.shapes import Coordinates, blend, ellipsoid, mirrored, path, tube, union


def skin(at: Coordinates, cavity: torch.Tensor) -> torch.Tensor:
    """Outline of the head: scalp, face with nose, ears, neck."""
    side = mirrored(at)
    cranium = blend(cavity - 14.0, ellipsoid(side, (0, -4, 10), (77, 98, 74)), 10.0)
    face = ellipsoid(side, (0, 42, -52), (56, 54, 62))
    neck = tube(side, (0, -24, -60), (0, -30, -200), 56.0)
    nose = path(side, ((0, 92, -22), (0, 106, -46)), (5.0, 9.0))
    ear = ellipsoid((side[0] - 0.25 * (side[1] + 20.0).abs(), side[1], side[2]), (76, -18, -30), (5, 15, 26))
    chin = ellipsoid(side, (0, 72, -98), (28, 20, 18))
    whole = blend(blend(cranium, face, 14.0), neck, 22.0)
    return union(blend(blend(whole, nose, 8.0), chin, 12.0), ear)


def bone(at: Coordinates, cavity: torch.Tensor, slow: torch.Tensor) -> torch.Tensor:
    """Skull, upper and lower jaw, spine."""
    side = mirrored(at)
    z = side[2]
    skull = cavity - (5.6 + 1.0 * slow + 2.5 * torch.exp(-(((z + 28.0) / 14.0) ** 2)))
    brow = ellipsoid(side, (12, 84, 2), (24, 8, 12))
    maxilla = ellipsoid(side, (0, 58, -50), (38, 30, 26))
    petrous = union(tube(side, (62, -26, -44), (20, -2, -38), 11.0, 7.0), ellipsoid(side, (58, -34, -52), (11, 15, 20)))
    jaw = path(side, ((50, 0, -58), (46, 14, -90), (22, 60, -100), (0, 70, -101)), (6.0, 8.0, 8.0, 8.0))
    cheek = path(side, ((62, 0, -38), (58, 40, -36), (44, 64, -34)), (3.5, 3.5, 6.0))
    spine = torch.maximum(spinal_column(at), z + 70.0)
    return union(torch.maximum(skull, -62.0 - z), brow, maxilla, petrous, jaw, cheek, spine)


def orbits(at: Coordinates) -> tuple[torch.Tensor, torch.Tensor]:
    """Eyes, and the fat of the orbits behind them."""
    side = mirrored(at)
    return ellipsoid(side, (31, 72, -24), (12, 12, 12)), ellipsoid(side, (29, 60, -24), (16, 24, 16))


def air(at: Coordinates, cavity: torch.Tensor, quick: torch.Tensor) -> torch.Tensor:
    """Sinuses, nasal cavity, airway, mastoid cells and ear canals; never nearer to the brain than thin bone."""
    side = mirrored(at)
    x = side[0]
    frontal = ellipsoid(side, (12, 88, 3), (14, 5, 12)) + 0.8 * quick
    ethmoid = ellipsoid(side, (6, 60, -25), (7, 20, 11)) + 1.2 * quick
    sphenoid = ellipsoid(side, (8, 26, -32), (9, 12, 10))
    maxillary = ellipsoid(side, (27, 58, -50), (12, 17, 15))
    nasal = torch.maximum(ellipsoid(side, (4.5, 62, -50), (4.5, 32, 17)), 1.0 - x)
    airway = path(side, ((0, 30, -50), (0, 14, -62), (0, 8, -90), (0, 8, -200)), (7.0, 8.0, 7.0, 8.0))
    mastoid = torch.maximum(ellipsoid(side, (58, -34, -52), (9, 12, 17)), 1.6 * quick)
    canal = tube(side, (90, -16, -40), (48, -12, -40), 3.6)
    return torch.maximum(union(frontal, ethmoid, sphenoid, maxillary, nasal, airway, mastoid, canal), 1.8 - cavity)
