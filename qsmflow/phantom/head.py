"""The procedural head: a whole human head as a function of coordinates, drawn from a seed."""

from __future__ import annotations

import torch

from qsmflow.phantom.cortex import Folds, draw_folds, make_brain
from qsmflow.phantom.deep import HIGH as DEEP_HIGH
from qsmflow.phantom.deep import LOW as DEEP_LOW
from qsmflow.phantom.deep import draw_lesions, make_deep
from qsmflow.phantom.labels import TEXTURE_WAVELENGTH
from qsmflow.phantom.lattice import Lattice, lattice_axes, lattice_shape, random_function
from qsmflow.phantom.shapes import Coordinates
from qsmflow.phantom.skull import air, bone, orbits, skin
from qsmflow.phantom.tissues import read_tissues
from qsmflow.phantom.vessels import draw_surface_veins, draw_veins, vein_distance

#: Box that holds the head; below it the neck goes on. mm.
LOW, HIGH = (-88.0, -112.0, -112.0), (88.0, 122.0, 96.0)
#: Distance of the nodes between which surfaces are interpolated, mm.
SPACING = 1.2

_WM, _GM, _CSF, _VEIN, _BONE, _AIR, _MUSCLE, _OUTER_CSF, _SINUS, _FAT, _EYE = 8, 9, 10, 11, 13, 14, 15, 18, 19, 20, 21


#: Planes of the lattice that are shaped together, which keeps the work within the cache.
_PLANES = 8
#: Wavelength and size of the displacement that makes one head differ from the next, and left from right; mm.
_WARP = ((70.0, 2.2), (25.0, 0.5))


class ProceduralHead:
    """A head with folded cortex, deep nuclei, ventricles, veins, lesions, skull, sinuses and face.

    Its surfaces are functions of space, kept on a lattice of 1.2 mm and interpolated in between, so that a tissue
    boundary is smooth on any grid and under any rotation. Labels are those of the tissue table ``head``.

    Parameters
    ----------
    seed
        Two heads of one seed are the same on every device up to rounding.
    device
        Where the head is made and looked at. It holds about 250 MB.
    spacing
        Distance of the nodes, mm; a coarse lattice is made sooner and loses narrow sulci and veins.
    """

    def __init__(self, seed: int = 0, *, device: torch.device | str = "cpu", spacing: float = SPACING):
        generator = torch.Generator().manual_seed(seed)
        self.tissues = read_tissues("head")
        self.outside = float(self.tissues.column("chi")[_AIR])
        self.bounds: tuple[tuple[float, ...], tuple[float, ...]] = (LOW, HIGH)
        self._warp = [random_function(LOW, HIGH, w, generator, channels=3, device=device) for w, _ in _WARP]
        lesions = draw_lesions(generator)
        folds = draw_folds(generator, device)
        slow, quick, rough = (random_function(LOW, HIGH, w, generator, device=device) for w in (30.0, 7.0, 4.0))
        axes = lattice_axes(LOW, lattice_shape(LOW, HIGH, spacing), spacing, device)
        x, y, z = axes
        parts = []
        for first in range(0, len(x), _PLANES):
            # one plane more on either side, for slopes
            start, stop = max(first - 1, 0), min(first + _PLANES + 1, len(x))
            here = torch.stack(torch.broadcast_tensors(x[start:stop], y, z), -1)
            part = _surfaces(self._warped(here), slow.on(here), quick.on(here), folds, spacing)
            parts.append(part[:, first - start : first - start + _PLANES])
        surfaces = torch.cat(parts, 1)
        del parts
        hull = Lattice.of(LOW, spacing, surfaces[6:7])
        veins = vein_distance(axes, draw_veins(generator) + draw_surface_veins(hull, generator))
        self._surfaces = Lattice.of(LOW, spacing, torch.cat([surfaces, veins[None]]))
        box = lattice_axes(DEEP_LOW, lattice_shape(DEEP_LOW, DEEP_HIGH, spacing), spacing, device)
        here = torch.stack(torch.broadcast_tensors(*box), -1)
        self._deep_labels, deep = make_deep(self._warped(here), rough.on(here), lesions)
        self._deep = Lattice.of(DEEP_LOW, spacing, deep)
        self._texture = random_function(LOW, HIGH, TEXTURE_WAVELENGTH, generator, device=device)

    def _warped(self, points: torch.Tensor) -> Coordinates:
        """Displaced coordinates of `points` (X, Y, Z, 3), each (X, Y, Z)."""
        moved = points.reshape(-1, 3).T.clone()
        for noise, (_, size) in zip(self._warp, _WARP, strict=True):
            moved += size * noise.at(points.reshape(-1, 3)).T
        x, y, z = moved.reshape(3, *points.shape[:-1])
        return x, y, z

    def labels_at(self, points: torch.Tensor) -> torch.Tensor:
        """Label at each of `points` (..., 3) in mm: uint8, (...)."""
        flat = points.reshape(-1, 3)
        out = self._paint(flat)
        inside = torch.nonzero(self._deep.holds(flat)).squeeze(-1)
        if len(inside):
            out[inside] = self._paint_deep(flat[inside], out[inside])
        return out.reshape(points.shape[:-1])

    def _paint(self, flat: torch.Tensor) -> torch.Tensor:
        """Everything but the deep structures."""
        skin_, orbit, bone_, eye, air_, cavity, hull, pia, white, vein = self._surfaces.at(flat).T.contiguous()
        out = torch.full(skin_.shape, _AIR, dtype=torch.uint8, device=flat.device)
        for surface, label in (
            (skin_, _FAT),
            (skin_ + 5.0, _MUSCLE),
            (bone_, _BONE),
            (orbit, _FAT),
            (eye, _EYE),
            (air_, _AIR),
            (cavity, _OUTER_CSF),
            (hull, _CSF),
            (pia, _GM),
            (white, _WM),
        ):
            out[surface < 0] = label
        out[(vein < 0) & (cavity < 6.0)] = _SINUS
        out[(vein < 0) & (hull < 0)] = _VEIN
        return out

    def _paint_deep(self, flat: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Deep structures where there is brain tissue to replace."""
        free = (out == _WM) | (out == _GM)
        for surface, label in zip(self._deep.at(flat).T, self._deep_labels, strict=True):
            out = torch.where((surface < 0) & free, label, out)
        return out

    def texture_at(self, points: torch.Tensor) -> torch.Tensor:
        """Smooth noise of SD 1 at `points` (..., 3) in mm, to be scaled by the texture of the tissue."""
        return self._texture.on(points)


def _surfaces(at: Coordinates, slow: torch.Tensor, quick: torch.Tensor, folds: Folds, spacing: float) -> torch.Tensor:
    """Signed distances of all but veins and deep structures, in painting order, (9, X, Y, Z)."""
    brain = make_brain(at, spacing, folds)
    eye, orbit = orbits(at)
    return torch.stack(
        [
            skin(at, brain.cavity),
            torch.maximum(orbit, 2.0 - brain.cavity),
            bone(at, brain.cavity, slow),
            eye,
            air(at, brain.cavity, quick),
            brain.cavity,
            brain.hull,
            brain.pia,
            brain.white,
        ]
    )
