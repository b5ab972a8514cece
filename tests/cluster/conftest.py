"""One cluster for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.cluster.local_slurm import LocalSlurm, missing
from tests.cluster.scene import Scene


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSlurm]:
    if reason := missing():
        pytest.skip(f"no SLURM: {reason}")
    with LocalSlurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local field of a few sources and its mask."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    mask = np.zeros((16, 16, 16), np.uint8)
    mask[3:13, 3:13, 3:13] = 1
    field = (rng.normal(0, 0.02, mask.shape) * mask).astype(np.float32)
    for name, data in (("local", field), ("mask", mask)):
        nib.save(nib.Nifti1Image(data, np.diag([2.0, 2.0, 2.0, 1.0])), folder / f"{name}.nii")
    return folder


@pytest.fixture
def scene(cluster: LocalSlurm, inputs: Path, tmp_path: Path) -> Iterator[Scene]:
    """A run that has not begun."""
    made = Scene(cluster, inputs, tmp_path)
    yield made
    if jobs := cluster.jobs():  # of a test that failed
        cluster.command("scancel", *jobs)
    cluster.take_back_nodes()


@pytest.fixture(scope="session")
def expected(cluster: LocalSlurm, inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed run keeps."""
    undisturbed = Scene(cluster, inputs, tmp_path_factory.mktemp("undisturbed"))
    undisturbed.start().ends(0)
    return undisturbed.results()
