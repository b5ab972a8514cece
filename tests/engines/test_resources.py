"""Resources: what stages state and what the machine allows."""

from __future__ import annotations

import os

import pytest

from qsmflow.engines.execute import last_error
from qsmflow.engines.resources import BASE_GB, Resources, available_cpus, available_memory_gb
from qsmflow.interfaces.stages import stages


def test_memory_grows_with_grid_and_images() -> None:
    need = Resources(volumes=4, volumes_per_image=2)
    voxel = 4e-9
    assert need.memory_gb(10**6, 3) == pytest.approx(BASE_GB + 10 * 10**6 * voxel)


def test_this_process_gets_no_more_than_it_may() -> None:
    assert 1 <= available_cpus() <= len(os.sched_getaffinity(0))
    assert 0 < available_memory_gb() < 1e5


def test_affinity_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert available_cpus() == 1


@pytest.mark.parametrize("name", stages())
def test_every_stage_fits_a_common_head(name: str) -> None:
    """256 x 256 x 160 with 5 echoes stays within 8 GB by what the stage states."""
    assert stages()[name].resources.memory_gb(256 * 256 * 160, 5) < 8


def test_last_error_is_the_reason() -> None:
    text = "Node: a.b\nTraceback (most recent call last):\n  File x\n\tValueError: the mask is empty\n\n"
    assert last_error(text) == "ValueError: the mask is empty"
    assert last_error("nothing to see") == "nothing to see"
