"""From simulated, undersampled k-space to maps."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch

from qsmflow.bids.discovery import discover
from qsmflow.bids.naming import derivative_path
from qsmflow.bids.validator import errors_of, find_validator
from qsmflow.cli.main import main
from qsmflow.interfaces.volume import load
from qsmflow.phantom import plan
from qsmflow.phantom.head import ProceduralHead
from tests.builders import make_bids

TE = (0.005, 0.012)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("raw") / "bids"
    words = ["--voxel-size", "5", "--coils", "6", "--acceleration", "2x1", "--calibration", "16", "--te", *map(str, TE)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "ProceduralHead", partial(ProceduralHead, spacing=4.0))
        assert main(["simulate", str(root), *words]) == 0
    return root


def test_simulated_kspace_stands_alone(simulated: Path) -> None:
    assert [path.name for path in simulated.rglob("*MEGRE*")] == ["sub-01_MEGRE.h5"]
    if (program := find_validator()) is not None:
        assert errors_of(simulated, program) == []


def test_run_reconstructs(simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", str(simulated)]) == 0
    assert "grappa, espirit, coil_combine, scale_phase" in capsys.readouterr().out
    out = tmp_path / "out"
    words = ["participant", "--plugin", "Linear", "--skip-bids-validation", "--preset", "sloppy", "--inversion", "tkd"]
    small = ["--espirit-kernel", "4", "--grappa-kernel", "5"]
    assert main(["run", str(simulated), str(out), *words, *small]) == 0
    truth = simulated / "derivatives" / "truth"
    found, true = (load(derivative_path(root, {"sub": "01"}, "total")).data for root in (out, truth))
    inside = load(derivative_path(out, {"sub": "01"}, "localmask")).mask
    error = (found - true)[inside]
    assert float((error - error.median()).abs().median()) < 0.02
    told = json.loads(derivative_path(out, {"sub": "01"}, "total").with_suffix("").with_suffix(".json").read_text())
    assert told["Sources"] == ["bids:raw:sourcedata/sub-01/anat/sub-01_MEGRE.h5"]
    magnitude = json.loads((out / "sub-01" / "fmap" / "sub-01_magnitude.json").read_text())
    assert magnitude["Measured"]["Coils"] == 6 and 0.5 < magnitude["Measured"]["SharesAcquired"][0] < 0.8
    assert "GRAPPA" in (out / "logs" / "CITATION.md").read_text()
    assert torch.isfinite(load(derivative_path(out, {"sub": "01"}, "tkd")).data).all()


def test_images_go_before_raw_data(simulated: Path, tmp_path: Path) -> None:
    make_bids(tmp_path)
    (tmp_path / "sourcedata").symlink_to(simulated / "sourcedata")
    (head,) = discover(tmp_path).heads
    assert head.series[0].phase and not head.series[0].raw


def test_damaged_raw_data_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_bids(tmp_path, subjects=("02",))
    path = tmp_path / "sourcedata" / "sub-01" / "anat" / "sub-01_MEGRE.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing")
    assert main(["validate", str(tmp_path)]) == 1
    assert "no readable ISMRMRD file" in capsys.readouterr().out
