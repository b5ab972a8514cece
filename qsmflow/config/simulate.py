"""Defaults of a simulated dataset."""

from __future__ import annotations

from dataclasses import dataclass

from qsmflow.settings import Settings, setting


@dataclass(frozen=True)
class Simulate(Settings):
    """A simulated BIDS dataset."""

    subjects: int = setting(
        1, "number of subjects; each has an anatomy of its own, unless labels are given", low=1, high=99
    )
    orientations: int = setting(
        1, "number of head orientations, drawn at random; the first is straight", low=1, high=99
    )
    angles: tuple[str, ...] = setting(
        (), "orientations as pitch,roll,yaw in degrees (about x, y, z, in this order) instead of random ones"
    )
    max_angle: float = setting(25.0, "largest angle of a random orientation to the first, degrees", low=0, high=90)
    max_shift: float = setting(3.0, "largest random shift of the head between orientations along an axis, mm", low=0)
    voxel_size: tuple[float, ...] = setting((1.0,), "voxel size in mm: one number, or three")
    shape: tuple[int, ...] = setting((), "voxels along x, y, z; without it the grid holds the head in all orientations")
    oblique: tuple[float, ...] = setting(
        (0.0, 0.0, 0.0), "tilt of the acquired grid about x, y, z in degrees; the head stays where it is"
    )
    te: tuple[float, ...] = setting((0.004, 0.012, 0.020, 0.028), "echo times, s, ascending")
    b0: float = setting(3.0, "field strength, T", low=0.1, high=20)
    snr: float = setting(
        60.0,
        "mean brain magnitude of the first echo over the noise SD of a channel; inf for none",
        low=1,
        infinite=True,
    )
    coils: int = setting(
        0,
        "receive coils, whose k-space is written to sourcedata as ISMRMRD instead of images; 0 for images",
        low=0,
        high=128,
    )
    acceleration: str = setting("1x1", "undersampling of the k-space along y and z")
    calibration: int = setting(24, "lines of the centre of k-space that are all acquired, along y and z", low=0)
    supersample: int = setting(2, "points along each axis of a voxel at which the head is looked at", low=1, high=8)
    seed: int = setting(0, "of anatomy, orientations, receiver and noise; the same seed gives the same files", low=0)
    labels: str = setting("", "label map (NIfTI) to take as the head instead of the procedural one")
    chi: str = setting("", "tissue table of the labels: a TSV file, or head or rc2 for those of the package")
    brain: str = setting(
        "", "mask (NIfTI) on the grid of the label map: what counts as brain; without it the table says"
    )
