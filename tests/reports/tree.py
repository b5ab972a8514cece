"""A small derivative dataset, made by the names alone, for the tests of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from qsmflow.bids.naming import OUTPUTS, derivative_path, sidecar_path
from qsmflow.bids.write import write_json, write_text
from qsmflow.reports.boilerplate import write_citation
from qsmflow.reports.record import RunRecord, write_record

SHAPE = (40, 48, 32)
AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])
AFFINE[:3, 3] = [-60.0, -72.0, -64.0]
SENTENCES = ("Phase was unwrapped [@romeo].", "Susceptibility was taken from several orientations [@cosmos; @nipype].")


def head(shift: float = 0.0) -> dict[str, NDArray[np.float32]]:
    """Volumes of an egg-shaped head with two nuclei, by kind; `shift`, mm, moves it along x."""
    grid = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    mm = [AFFINE[i, i] * g + AFFINE[i, 3] for i, g in enumerate(grid)]
    x, y, z = mm[0] - shift, mm[1], mm[2]
    radius = np.sqrt((x / 46) ** 2 + (y / 60) ** 2 + (z / 50) ** 2)
    chi = 0.15 * (np.hypot(np.hypot(x - 15, y), z) < 9) + 0.15 * (np.hypot(np.hypot(x + 15, y), z) < 9) - 0.02
    brain, local = radius < 1, radius < 0.9
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.004, SHAPE)
    magnitude = 100 * brain * (1 + 0.3 * np.cos(x / 9) * np.cos(y / 9)) + 20 * (radius < 1.15)
    maps = {
        "magnitude": magnitude,
        "registered": magnitude,
        "brain": brain,
        "localmask": local,
        "total": brain * (0.5 * z / 50 + chi / 3),
        "noise": brain * (0.001 + 0.002 * radius),
        "r2star": brain * (15 + 100 * np.abs(chi)),
        "local": local * (chi / 3 + noise),
        "tkd": local * (0.8 * chi + 4 * noise),
        "l2": local * (0.7 * chi + 2 * noise),
        "cosmos": local * (chi + noise),
        "cosmoskspace": local * (chi + 2 * noise),
    }
    return {kind: values.astype(np.float32) for kind, values in maps.items()}


def save(root: Path, entities: dict[str, str], kind: str, data: NDArray[Any], **more: Any) -> Path:
    """Write one derivative with its sidecar; `more` holds ``space`` and sidecar keys, told apart by their case."""
    extra = {key: value for key, value in more.items() if key.islower()}
    stated = {key: value for key, value in more.items() if not key.islower()}
    path = derivative_path(root, entities, kind, **extra)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = data.astype(np.uint8) if kind in ("brain", "localmask", "rois") else data.astype(np.float32)
    nib.save(nib.Nifti1Image(stored, AFFINE), path)
    sidecar = {**OUTPUTS[kind].sidecar, "EchoTime": [0.005, 0.02], "MagneticFieldStrength": 3, "Stage": kind, **stated}
    sidecar |= {
        "Measured": {"voxels": int(np.count_nonzero(data))},
        "Software": {"torch": "2.13.0"},
        "Device": "cpu",
    }
    write_json(sidecar_path(path), sidecar)
    return path


def one_series(root: Path, kinds: tuple[str, ...], **entities: str) -> None:
    """Derivatives of one series, in its own frame."""
    volumes = head()
    for kind in kinds:
        save(root, {"sub": "01", **entities}, kind, volumes[kind], Method=f"method of {kind}")


def orientations(root: Path, count: int = 3, **entities: str) -> RunRecord:
    """Derivatives of a head in `count` orientations, with a run record and a methods text."""
    shared = {"sub": "01", **entities}
    kinds = ("magnitude", "brain", "localmask", "total", "local", "tkd", "l2", "cosmos")
    for i in range(1, count + 1):
        one_series(root, kinds, **entities, acq=f"ori{i}")
        if i == 1:
            continue
        own = {**shared, "acq": f"ori{i}"}
        for kind in ("registered", "local"):
            save(root, own, kind, head(shift=1.0)[kind], space="ori1")
        path = derivative_path(root, own, "xfm", **{"from": f"ori{i}", "to": "ori1", "mode": "image"})
        write_text(path, "#Insight Transform File V1.0\n")
        angle = np.radians(20.0 * (i - 1))
        told = {"RotationAngle": 20.0 * (i - 1), "Translation": [1.0, -2.0, 0.5], "Method": "embedded"}
        write_json(sidecar_path(path), {**told, "B0Direction": [float(np.sin(angle)), 0.0, float(np.cos(angle))]})
    for kind in ("cosmos", "cosmoskspace"):
        save(root, shared, kind, head()[kind], space="ori1", Method="COSMOS")
    record = RunRecord(
        command="qsmflow run data out participant",
        started="2026-01-01T10:00:00.000000+00:00",
        finished="2026-01-01T10:05:00.000000+00:00",
        version="0.1.0",
        found=(f"sub-01: {count} orientations of one head",),
        skipped=(("sub-01_acq-ori9", "no phase: no part-phase file; add it"), ("sub-02", "no EchoTime")),
        errors=(("qsmflow.sub_02.unwrap", "logs/crash-sub_02.txt"),),
        executed=40,
        cached=2,
        toml='inversion = ["tkd", "l2"]\n',
    )
    write_record(root, record)
    write_citation(root, SENTENCES)
    return record
