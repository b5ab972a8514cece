"""The procedural head: a whole human head as a function of coordinates, drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from qsmflow.phantom.cortex import f_at, make_brain, random_function
from qsmflow.phantom.deep import HIGH as DEEP_HIGH
from qsmflow.phantom.deep import LOW as DEEP_LOW
from qsmflow.phantom.deep import draw_lesions, make_deep
from qsmflow.phantom.labels import TEXTURE_WAVELENGTH
from qsmflow.phantom.lattice import Lattice, lattice_axes, lattice_shape
from qsmflow.phantom.shapes import Coordinates
from qsmflow.phantom.skull import air, bone, orbits, skin
from qsmflow.phantom.tissues import read_tissues
from qsmflow.phantom.vessels import draw_surface_veins, draw_veins, vein_distance

#: Box that holds the head; below it the neck goes on. mm.
LOW, HIGH = (-88.0, -112.0, -112.0), (88.0, 122.0, 96.0)
#: Distance of the nodes between which surfaces are interpolated, mm.
SPACING = 1.0

_WM, _GM, _CSF, _VEIN, _BONE, _AIR, _MUSCLE, _OUTER_CSF, _SINUS, _FAT, _EYE = 8, 9, 10, 11, 13, 14, 15, 18, 19, 20, 21


@dataclass(frozen=True)
class _Warp:
    """A smooth displacement of the head's coordinates: what makes one head differ from the next, and left from right."""

    parts: tuple[tuple[Lattice, float], ...]

    def __call__(self, axes: Coordinates) -> Coordinates:
        x, y, z = torch.broadcast_tensors(*axes)
        points = torch.stack((x, y, z), -1).reshape(-1, 3)
        moved = points.clone()
        for noise, size in self.parts:
            moved += size * Lattice(noise.origin, noise.spacing, noise.values.to(points.device)).at(points).T
        wx, wy, wz = (moved[:, axis].reshape(x.shape) for axis in range(3))
        return wx, wy, wz


class ProceduralHead:
    """A head with folded cortex, deep nuclei, ventricles, veins, lesions, skull, sinuses and face.

    Its surfaces are functions of space, kept on a lattice of 1 mm and interpolated in between, so that a tissue
    boundary is smooth on any grid and under any rotation. Labels are those of the tissue table ``head``.

    Parameters
    ----------
    seed
        Two heads of one seed are the same on every device up to rounding.
    device
        Where the head is made and looked at. It holds about 300 MB.
    """

    def __init__(self, seed: int = 0, device: torch.device | str = "cpu"):
        generator = torch.Generator().manual_seed(seed)
        self.tissues = read_tissues("head")
        self.bounds: tuple[tuple[float, ...], tuple[float, ...]] = (LOW, HIGH)
        warp = _draw_warp(generator)
        lesions = draw_lesions(generator)
        shape = lattice_shape(LOW, HIGH, SPACING)
        axes = lattice_axes(LOW, shape, SPACING, device)
        at = warp(axes)
        brain = make_brain(at, SPACING, generator)
        points = torch.stack(axes_full := torch.broadcast_tensors(*axes), -1).reshape(-1, 3)
        where = axes_full[0].device
        slow, quick = (f_at(random_function(LOW, HIGH, length, generator), points, brain.hull.shape, where) for length in (30.0, 7.0))
        del points
        hull = Lattice(LOW, SPACING, brain.hull[None])
        veins = vein_distance(axes, draw_veins(generator) + draw_surface_veins(hull, generator))
        eye, orbit = orbits(at)
        surfaces = [
            skin(at, brain.cavity),
            torch.maximum(orbit, 2.0 - brain.cavity),
            bone(at, brain.cavity, slow),
            eye,
            air(at, brain.cavity, quick),
            brain.cavity,
            brain.hull,
            brain.pia,
            brain.white,
            veins,
        ]
        self._surfaces = Lattice(LOW, SPACING, torch.stack(surfaces))
        deep_axes = lattice_axes(DEEP_LOW, lattice_shape(DEEP_LOW, DEEP_HIGH, SPACING), SPACING, device)
        rough = random_function(DEEP_LOW, DEEP_HIGH, 4.0, generator)
        deep_points = torch.stack(torch.broadcast_tensors(*deep_axes), -1)
        roughness = f_at(rough, deep_points.reshape(-1, 3), deep_points.shape[:-1], where)
        self._deep_labels, deep = make_deep(warp(deep_axes), roughness, lesions)
        self._deep = Lattice(DEEP_LOW, SPACING, deep)
        texture = random_function(LOW, HIGH, TEXTURE_WAVELENGTH, generator)
        self._texture = Lattice(texture.origin, texture.spacing, texture.values.to(device))

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
        skin_, orbit, bone_, eye, air_, cavity, hull, pia, white, vein = self._surfaces.at(flat)
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
        # beyond the lattice its border is found: sideways, in front and above that is air
        return out

    def _paint_deep(self, flat: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Deep structures where there is brain tissue to replace."""
        free = (out == _WM) | (out == _GM)
        for surface, label in zip(self._deep.at(flat), self._deep_labels, strict=True):
            out = torch.where((surface < 0) & free, label, out)
        return out

    def texture_at(self, points: torch.Tensor) -> torch.Tensor:
        """Smooth noise of SD 1 at `points` (..., 3) in mm, to be scaled by the texture of the tissue."""
        return self._texture.at(points.reshape(-1, 3))[0].reshape(points.shape[:-1])


def _draw_warp(generator: torch.Generator) -> _Warp:
    parts = []
    for wavelength, size in ((70.0, 2.2), (25.0, 0.9)):
        three = [random_function(LOW, HIGH, wavelength, generator) for _ in range(3)]
        parts.append((Lattice(three[0].origin, three[0].spacing, torch.cat([one.values for one in three])), size))
    return _Warp(tuple(parts))
