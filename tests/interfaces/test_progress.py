"""Every stage that iterates says so while it does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.engines import progress
from qsmflow.interfaces.coils import save_coil_images
from qsmflow.interfaces.stages import stages
from qsmflow.interfaces.volume import Volume, save
from tests.test_parity import CORE, STAGES

SHAPE = (16, 16, 16)
#: GRAPPA is told of in the tests of raw data, which it needs.
ITERATING = [
    name
    for name, group in STAGES.items()
    if group in CORE and "progress" in inspect.signature(CORE[group]).parameters and name != "grappa"
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder, generator = tmp_path_factory.mktemp("images"), torch.Generator().manual_seed(0)
    chi, mask = torch.zeros(SHAPE), torch.zeros(SHAPE)
    chi[5:8, 6:10, 7:10], mask[2:14, 2:14, 2:14] = 0.1, 1.0
    field = forward_field(chi, (1, 1, 1)) + 1e-3 * torch.randn(SHAPE, generator=generator)
    made = {name: Volume(data, np.eye(4)) for name, data in (("field", field), ("mask", mask), ("one", 1.0 + mask))}
    made["phases"] = Volume(torch.stack([t * field for t in (100.0, 200.0, 300.0)]), np.eye(4))
    made["magnitudes"] = Volume(1.0 + torch.rand(3, *SHAPE, generator=generator), np.eye(4))
    found = {name: save(volume, folder / f"{name}.nii") for name, volume in made.items()}
    coils = torch.complex(*torch.randn(2, 3, *SHAPE, generator=generator)) + 20.0
    return {**found, "coils": save_coil_images(Volume(coils, np.eye(4)), folder / "coils.nii")}


def _inputs(name: str, images: dict[str, str]) -> dict[str, Any]:
    if name == "espirit":
        return {"in_file": [images["coils"]]}
    if name == "cosmos":
        files = {"in_files": [images["field"]] * 2, "masks": [images["mask"]] * 2, "magnitudes": [images["one"]] * 2}
        return {**files, "b0_dirs": [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0)]}
    if name == "field":
        echoes = {"in_file": images["phases"], "magnitude": images["magnitudes"], "te": [0.004, 0.008, 0.012]}
        return {**echoes, "mask": images["mask"], "b0": 3.0, "method": "nonlinear"}
    more = {"te": 0.005, "b0": 3.0} if name in ("nltv", "nltgv", "ndi", "whtv") else {}
    more |= {"magnitude": images["one"]} if name == "medi" else {"radius": 3.0} if name == "resharp" else {}
    return {"in_file": images["field"], "mask": images["mask"], **more}


@pytest.mark.parametrize("name", ITERATING)
def test_iterations_are_told(
    name: str, images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(progress, "leave", lambda folder, line: lines.append(line) or (folder / progress.FILE).touch())
    stages()[name](**_inputs(name, images)).run(cwd=str(tmp_path))
    interface = stages()[name]
    assert f"iteration 1, {interface.quantity} " in lines[0]
    assert not (tmp_path / progress.FILE).exists()


@pytest.mark.parametrize("name", [name for name in ITERATING if "tolerance" in stages()[name].input_spec().traits()])
def test_stopping_at_the_limit_is_a_warning(name: str, images: dict[str, str], tmp_path: Path) -> None:
    given = {**_inputs(name, images), "tolerance": 1e-12, "max_iterations": 2}
    told = stages()[name](**given).run(cwd=str(tmp_path)).outputs.out_report["Warnings"]
    line = f"stopped after 2 iterations with a {stages()[name].quantity} of .*, above the tolerance of 1e-12; raise "
    assert any(re.match(line, warning) for warning in told)


@pytest.mark.parametrize(
    "settings",
    [{"tolerance": 0.99, "max_iterations": 2}, {"tolerance": 0.0, "max_iterations": 2}, {"tolerance": 1e-2}],
)
def test_a_solver_that_stops_by_itself_or_by_order_does_not_warn(
    settings: dict[str, Any], images: dict[str, str], tmp_path: Path
) -> None:
    """A tolerance of zero orders all iterations."""
    done = stages()["ismv"](**_inputs("ismv", images), **settings).run(cwd=str(tmp_path)).outputs
    assert "Warnings" not in done.out_report
