"""Local fields whose truth is known: brains on any grid, brains with lesions, spheres and cylinders."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.grid import as_size
from qsmflow.core.mask.morphology import depth
from qsmflow.phantom.acquisition import brain_sources, total_and_local_field
from qsmflow.phantom.analytic import coordinates, cylinder_field, distance_to_line, share_within, sphere_field
from qsmflow.phantom.head import SPACING, ProceduralHead
from qsmflow.phantom.labels import read_labels
from qsmflow.phantom.pose import b0_direction, grid_around, rigid, rotation
from qsmflow.phantom.sampling import Head, Sample, brain_box, sample_head
from qsmflow.phantom.tissues import read_tissues
from qsmflow.training.draws import Draws, seeded

Vector = tuple[float, float, float]
#: Echo time, s, of magnitudes, and at which nonlinear methods take a field as a phase.
ECHO = 0.008
#: ppm: noise of the fields, where a study does not say otherwise.
NOISE = 0.002
#: Seed of the head that methods are held against; no network was trained on it.
HEAD = 1_000_000
#: Straight, and turned by 25 degrees about both axes across B0.
ORIENTATIONS = ((0.0, 0.0, 0.0), (25.0, 0.0, 0.0), (-25.0, 0.0, 0.0), (0.0, 25.0, 0.0), (0.0, -25.0, 0.0))


@dataclass(frozen=True)
class Problem:
    """A local field and the susceptibility that makes it; volumes are (X, Y, Z).

    Attributes
    ----------
    clean
        Local field without noise, ppm, zero outside the mask.
    chi
        Truth, ppm, zero outside the mask.
    mask
        bool.
    labels
        Tissue of most of each voxel, uint8; regions, int32, of a measured head.
    magnitude
        At `ECHO`, arbitrary units.
    affine
        Of the grid, 4x4, mm.
    sd
        Of the Gaussian noise of `field`, ppm.
    seed
        Of that noise.
    measured
        Whether `clean` is a measured field, which has noise of its own that nobody knows.
    """

    clean: torch.Tensor
    chi: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    magnitude: torch.Tensor
    affine: np.ndarray
    sd: float = 0.0
    seed: int = 1
    measured: bool = False

    @property
    def field(self) -> torch.Tensor:
        """Local field with noise, ppm, zero outside the mask."""
        noise = torch.randn(self.clean.shape, generator=torch.Generator().manual_seed(self.seed))
        return torch.where(self.mask, self.clean + self.sd * noise, 0.0)

    @property
    def noise(self) -> float | None:
        """SD of all noise of `field`, ppm; None where it is not known."""
        return None if self.measured else self.sd

    @property
    def voxel_size(self) -> Vector:
        """Mm."""
        x, y, z = (float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))
        return x, y, z

    @property
    def b0_dir(self) -> Vector:
        """In voxel axes."""
        return b0_direction(self.affine)

    def with_noise(self, sd: float) -> Problem:
        """The same with noise of `sd` ppm; of any two levels the noise differs by a factor alone."""
        return dataclasses.replace(self, sd=sd)

    def with_seed(self, seed: int) -> Problem:
        """The same with other noise."""
        return dataclasses.replace(self, seed=seed)

    def within(self, mask: torch.Tensor) -> Problem:
        """The same where `mask`, bool (X, Y, Z), is true alone."""
        clean, chi = (torch.where(mask, one, 0.0) for one in (self.clean, self.chi))
        return dataclasses.replace(self, clean=clean, chi=chi, mask=mask)


def study_head(files: Sequence[Path], voxel_size: float) -> Head:
    """The head that methods are held against: of a label map, and of its brain mask, where given; else procedural.

    Parameters
    ----------
    files
        Label map and brain mask, or none.
    voxel_size
        mm: the surfaces of a procedural head are no finer, which would take long and show nothing.
    """
    if not files:
        return ProceduralHead(HEAD, spacing=max(SPACING, voxel_size))
    return read_labels(files[0], read_tissues("head"), brain=files[1] if len(files) > 1 else None)


def brain_problem(head: Head, voxel_size: Sequence[float], *, tilt: Sequence[float] = (0.0, 0.0, 0.0)) -> Problem:
    """The brain of a head, which lies straight in the scanner, without noise.

    The truth has no mean over the mask, and the field is that of the brain alone: see `total_and_local_field`.

    Parameters
    ----------
    head
        Procedural or of a label map.
    voxel_size
        mm.
    tilt
        Of the grid in the scanner, about its three axes, degrees.
    """
    low, high = brain_box(head, rotation(tilt))
    affine, shape = grid_around((low - 6.0).tolist(), (high + 6.0).tolist(), voxel_size, tilt)
    sample = sample_head(head, affine, shape, np.eye(4))
    return _of_brain(sample, forward_field(brain_sources(sample), voxel_size, b0_direction(affine)), affine)


def study_brain(files: Sequence[Path], voxel_size: float) -> Problem:
    """The brain of `study_head` on a straight grid of cubes, without noise."""
    return brain_problem(study_head(files, voxel_size), (voxel_size,) * 3)


def with_lesions(problem: Problem, values: Sequence[float], *, radius: float = 4.0) -> tuple[Problem, torch.Tensor]:
    """The same with spheres of other susceptibility deep in the brain, apart from each other.

    Parameters
    ----------
    problem
        A brain.
    values
        Susceptibility of each lesion, ppm.
    radius
        mm.

    Returns
    -------
    problem
        With the field of the lesions.
    lesions
        Number of the lesion at each voxel that lies wholly in it, from 1; 0 elsewhere; (X, Y, Z), int64.

    Raises
    ------
    ValueError
        The brain has no room for so many.
    """
    size = problem.voxel_size
    deep = depth(problem.mask, size)
    points = coordinates(as_size(deep.shape), size)
    free = deep > 2.0 * radius
    chi, lesions = problem.chi.clone(), torch.zeros(deep.shape, dtype=torch.int64)
    generator = torch.Generator().manual_seed(problem.seed)
    for number, value in enumerate(values, start=1):
        places = torch.nonzero(free)
        if not len(places):
            raise ValueError(f"lesions: no room for {len(values)} of radius {radius:g} mm; give fewer or smaller ones")
        centre = points[tuple(places[torch.randint(len(places), (), generator=generator)])]
        distance = (points - centre).norm(dim=-1)
        chi += share_within(distance, radius, min(size)) * (value - chi)
        lesions[distance < radius - max(size)] = number
        free &= distance > 5.0 * radius
    added = forward_field(chi - problem.chi, size, problem.b0_dir)
    clean = torch.where(problem.mask, problem.clean + added, 0.0)
    return dataclasses.replace(problem, clean=clean, chi=chi), lesions


def shapes_problem(size: int, *, snr: float = 100.0, seed: int = 0) -> Problem:
    """Spheres and cylinders in a ball with their exact field, in finer or coarser steps.

    Voxels are 1 mm and the shapes grow with the grid. Since a field does not depend on the unit of length, that is one
    phantom at several resolutions.

    Parameters
    ----------
    size
        Voxels along each axis; B0 is along the third.
    snr
        Largest field in the ball over the SD of its noise.
    seed
        Of shapes and noise.
    """
    draw = Draws(seeded("shapes", seed))
    points = coordinates((size, size, size), (1.0, 1.0, 1.0))
    up, unit = (0.0, 0.0, 1.0), size / 256.0
    chi, field = torch.zeros_like(points[..., 0]), torch.zeros_like(points[..., 0])
    for _ in range(24):
        radius, value = unit * draw.between(8.0, 24.0), draw.between(-0.05, 0.05)
        away = draw.between(0.0, unit * 110.0 - radius)
        centre = [away * part for part in draw.direction()]
        chi += value * share_within((points - points.new_tensor(centre)).norm(dim=-1), radius)
        field += sphere_field(points, centre, radius, value, up)
    for _ in range(6):
        radius, value = unit * draw.between(4.0, 12.0), draw.between(-0.05, 0.05)
        centre, axis = [unit * draw.between(-60.0, 60.0) for _ in range(3)], draw.direction(90.0)
        chi += value * share_within(distance_to_line(points, centre, axis), radius)
        field += cylinder_field(points, centre, axis, radius, value, up)
    mask = points.norm(dim=-1) < unit * 115.0
    clean = torch.where(mask, field, 0.0)
    sd = float(clean.abs().max()) / snr
    return Problem(clean, torch.where(mask, chi, 0.0), mask, mask.to(torch.uint8), mask.float(), np.eye(4), sd, seed)


def turned(problem: Problem, angles: Sequence[float]) -> Problem:
    """The same head, turned in the scanner together with its grid: another direction of B0 in the same voxels.

    Parameters
    ----------
    problem
        A head that lies straight.
    angles
        About the three axes of the scanner, degrees.

    Returns
    -------
    Problem
        With the field of its truth alone, without that of the brain in voxels at the rim of the mask.
    """
    affine = rigid(angles) @ problem.affine
    clean = forward_field(problem.chi, problem.voxel_size, b0_direction(affine))
    return dataclasses.replace(problem, clean=torch.where(problem.mask, clean, 0.0), affine=affine)


def whole_head_problem(head: Head, voxel_size: float) -> tuple[Problem, torch.Tensor]:
    """A straight head on a grid that holds all of it, and its total field, ppm, (X, Y, Z); without noise."""
    affine, shape = grid_around(*head.bounds, (voxel_size,) * 3)
    sample = sample_head(head, affine, shape, np.eye(4))
    total, local = total_and_local_field(sample, (voxel_size,) * 3, b0_direction(affine), head.outside)
    return _of_brain(sample, local, affine), total


def _of_brain(sample: Sample, local: torch.Tensor, affine: np.ndarray) -> Problem:
    mask = sample.brain > 0.5
    chi = torch.where(mask, brain_sources(sample), 0.0)
    magnitude = sample.m0 * torch.exp(-ECHO * sample.r2star)
    return Problem(torch.where(mask, local, 0.0), chi, mask, sample.labels, magnitude, affine)
