"""What a simulation will do, decided and checked before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from qsmflow.config import Simulate
from qsmflow.errors import UsageError
from qsmflow.phantom.head import ProceduralHead
from qsmflow.phantom.labels import read_labels
from qsmflow.phantom.pose import Angles, draw_angles, grid_around, rigid, rotation
from qsmflow.phantom.sampling import Head, solid_points
from qsmflow.phantom.tissues import read_tissues

#: Air around the head on the grid, and tissue of the neck that is kept below the brain, mm.
_MARGIN, _NECK = 6.0, 16.0
#: How far below the grid the neck goes on as a source of field, mm.
_BELOW = 40.0


@dataclass(frozen=True)
class Plan:
    """One subject's head, its poses and the grid.

    Attributes
    ----------
    head
        Function of head coordinates.
    poses
        4x4 matrices, head to scanner, one an orientation.
    angles
        Degrees, of each pose.
    affine, shape
        The acquired grid; the same for all orientations.
    below
        Voxels by which the grid is to be lengthened at its lower end while the field is computed, and the axis.
    """

    head: Head
    poses: list[np.ndarray]
    angles: list[Angles]
    affine: np.ndarray
    shape: tuple[int, int, int]
    below: tuple[int, int]


def seed_of(*key: int) -> int:
    """A seed for one purpose, independent of those of any other `key`."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


def check(settings: Simulate) -> None:
    """Refuse settings that do not fit together.

    Raises
    ------
    UsageError
        Naming the option and the mend.
    """
    if len(settings.voxel_size) not in (1, 3) or not all(0.1 <= size <= 20 for size in settings.voxel_size):
        raise UsageError(f"--voxel-size {_shown(settings.voxel_size)}: give one size or three, 0.1 to 20 mm")
    if len(settings.shape) not in (0, 3) or not all(8 <= n <= 1024 for n in settings.shape):
        raise UsageError(f"--shape {_shown(settings.shape)}: give three sizes, 8 to 1024 voxels")
    if not settings.snr >= 1:
        raise UsageError(f"--snr {settings.snr}: give a number of at least 1, or inf")
    if len(settings.oblique) != 3 or not all(abs(angle) <= 90 for angle in settings.oblique):
        raise UsageError(f"--oblique {_shown(settings.oblique)}: give three angles within 90 degrees")
    te = settings.te
    if not te or not all(0 < t < 1 for t in te) or any(b <= a for a, b in pairwise(te)):
        raise UsageError(f"--te {_shown(te)}: give ascending echo times in seconds, e.g. 0.004 0.012 0.020")
    if settings.angles and settings.orientations not in (1, len(parse_angles(settings.angles))):
        raise UsageError(
            f"--orientations {settings.orientations}: does not match the number of --angles; leave it away"
        )
    if acceleration_of(settings) != (1, 1) and settings.coils == 0:
        raise UsageError(
            f"--acceleration {settings.acceleration}: needs --coils, whose sensitivities fill what is left out"
        )
    if bool(settings.labels) != bool(settings.chi):
        given, absent = ("--labels", "--chi") if settings.labels else ("--chi", "--labels")
        raise UsageError(f"{given}: needs {absent} as well, a label map and the table of its tissues go together")
    if settings.brain and not settings.labels:
        raise UsageError("--brain: is a mask on the grid of --labels; give the label map as well")


def acceleration_of(settings: Simulate) -> tuple[int, int]:
    """Along both phase-encoded axes, of a text like ``2x2``."""
    parts = settings.acceleration.split("x")
    if len(parts) != 2 or not all(part.isdecimal() and 1 <= int(part) <= 8 for part in parts):
        raise UsageError(f"--acceleration {settings.acceleration}: give two factors of 1 to 8, e.g. 2x2")
    return int(parts[0]), int(parts[1])


def parse_angles(texts: tuple[str, ...]) -> list[Angles]:
    """Orientations from texts like ``15,0,10``; several may stand in one text, separated by spaces or semicolons."""
    found: list[Angles] = []
    for text in " ".join(texts).replace(";", " ").split():
        try:
            pitch, roll, yaw = (float(part) for part in text.split(","))
        except ValueError as error:
            raise UsageError(f"--angles {text}: give pitch,roll,yaw in degrees, e.g. 15,0,10") from error
        if not all(abs(angle) <= 180 for angle in (pitch, roll, yaw)):
            raise UsageError(f"--angles {text}: give angles within 180 degrees")
        found.append((pitch, roll, yaw))
    return found


def _shown(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def plan_subject(settings: Simulate, subject: int, device: torch.device | str = "cpu") -> Plan:
    """Make the head of `subject` (counted from 1), draw its poses, and lay the grid around them."""
    if settings.labels:
        head: Head = read_labels(
            Path(settings.labels),
            read_tissues(settings.chi),
            brain=Path(settings.brain) if settings.brain else None,
            table=settings.chi,
            seed=settings.seed,
            device=device,
        )
    else:
        head = ProceduralHead(seed_of(settings.seed, subject), device=device)
    generator = np.random.default_rng(seed_of(settings.seed, subject, 1))
    angles = parse_angles(settings.angles) or draw_angles(settings.orientations, settings.max_angle, generator)
    shifts = generator.uniform(-settings.max_shift, settings.max_shift, (len(angles), 3))
    shifts[0] = 0.0
    poses = [rigid(turn, shift) for turn, shift in zip(angles, shifts, strict=True)]
    affine, shape = _grid(settings, head, poses)
    size = np.linalg.norm(affine[:3, :3], axis=0)
    axis = int(np.argmax(np.abs(affine[2, :3])))
    return Plan(head, poses, angles, affine, shape, (round(_BELOW / float(size[axis])), axis))


def _grid(settings: Simulate, head: Head, poses: list[np.ndarray]) -> tuple[np.ndarray, tuple[int, int, int]]:
    size = settings.voxel_size if len(settings.voxel_size) == 3 else settings.voxel_size * 3
    tilt = rotation(settings.oblique)
    points, brain = solid_points(head)
    turned = [(points @ pose[:3, :3].T + pose[:3, 3]) @ tilt for pose in poses]
    neck = min(float(t[brain, 2].min()) for t in turned) - _NECK
    kept = np.concatenate([t[t[:, 2] > neck] for t in turned])
    low, high = kept.min(0) - _MARGIN, kept.max(0) + _MARGIN
    low[2] = neck
    if settings.shape:
        middle = 0.5 * (low + high)
        half = 0.5 * (np.array(settings.shape) - 0.5) * np.array(size)
        affine, _ = grid_around(middle - half, middle + half, size, settings.oblique)
        x, y, z = settings.shape
        return affine, (x, y, z)
    return grid_around(low, high, size, settings.oblique)
