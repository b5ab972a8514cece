"""Where the head lies in the scanner: rigid poses, and the grid that holds the head in all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Angles = tuple[float, float, float]


def rotation(angles: Sequence[float]) -> np.ndarray:
    """Rotation matrix of three angles in degrees.

    The head turns first about x (pitch: positive lifts the chin), then about y (roll: positive leans to the right),
    then about z (yaw: positive turns the face to the left); right-handed, RAS axes of the scanner.
    """
    a, b, c = (math.radians(float(angle)) for angle in angles)
    about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def rigid(angles: Sequence[float], shift: Sequence[float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    """4x4 matrix that turns by `angles` (degrees) about the origin, then moves by `shift` (mm)."""
    pose = np.eye(4)
    pose[:3, :3] = rotation(angles)
    pose[:3, 3] = shift
    return pose


def angle_between(pose: np.ndarray, other: np.ndarray) -> float:
    """Angle of the rotation that leads from one pose to the other, degrees."""
    turn = other[:3, :3] @ pose[:3, :3].T
    sine = 0.5 * math.sqrt(sum((turn[i, j] - turn[j, i]) ** 2 for i, j in ((2, 1), (0, 2), (1, 0))))
    return math.degrees(math.atan2(sine, 0.5 * (float(np.trace(turn)) - 1.0)))


def draw_angles(count: int, largest: float, generator: np.random.Generator) -> list[Angles]:
    """`count` orientations: the first straight, the others turned by up to `largest` degrees in spread directions.

    Every turn is about an axis near the transverse plane, for only those change the direction of B0 in the head. The
    axes are spread evenly around z and the turns lie between 0.6 and 1 of `largest`, both jittered at random.
    """
    angles: list[Angles] = [(0.0, 0.0, 0.0)]
    start = generator.uniform(0, 2 * math.pi)
    for i in range(1, count):
        heading = start + 2 * math.pi * (i + generator.uniform(-0.15, 0.15)) / max(count - 1, 1)
        turn = largest * generator.uniform(0.6, 0.98)
        axis = np.array([math.cos(heading), math.sin(heading), generator.uniform(-0.2, 0.2)])
        angles.append(_angles_of(_about(axis / np.linalg.norm(axis), math.radians(turn))))
    return angles


def _about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotation by `angle` (rad) about the unit vector `axis` (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)


def _angles_of(turn: np.ndarray) -> Angles:
    """The angles that `rotation` turns into `turn`, degrees."""
    return (
        math.degrees(math.atan2(turn[2, 1], turn[2, 2])),
        math.degrees(math.asin(max(-1.0, min(1.0, -turn[2, 0])))),
        math.degrees(math.atan2(turn[1, 0], turn[0, 0])),
    )


def grid_around(
    low: Sequence[float], high: Sequence[float], voxel_size: Sequence[float], tilt: Sequence[float] = (0.0, 0.0, 0.0)
) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Affine and shape (even) of a grid, tilted by `tilt` degrees, that covers a box given along its own axes, mm."""
    turn = rotation(tilt)
    size = np.array([float(v) for v in voxel_size])
    shape = 2 * np.ceil((np.array(high) - np.array(low)) / size / 2).astype(int)
    middle = 0.5 * (np.array(high) + np.array(low))
    affine = np.eye(4)
    affine[:3, :3] = turn * size
    affine[:3, 3] = turn @ (middle - 0.5 * (shape - 1) * size)
    x, y, z = (int(n) for n in shape)
    return affine, (x, y, z)


def b0_direction(affine: np.ndarray) -> tuple[float, float, float]:
    """Direction of B0 (scanner z) in the voxel axes of `affine`, ``R^T (0, 0, 1)``."""
    columns = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    x, y, z = (float(v) for v in columns.T @ np.array([0.0, 0.0, 1.0]))
    return x, y, z
