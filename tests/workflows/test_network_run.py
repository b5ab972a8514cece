"""`qsmflow run` with networks: the field is denoised and inverted, and new weights are used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from qsmflow.bids.naming import derivative_path, sidecar_path
from qsmflow.cli.main import main
from qsmflow.interfaces.volume import load
from qsmflow.nets import Denoiser, QSMnet, weights
from tests.cards import COARSE, DENOISER


def test_a_run_with_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    inverse, other, denoiser = (tmp_path / f"{name}.safetensors" for name in ("inverse", "other", "denoiser"))
    weights.save(QSMnet(width=2, kernel=3), COARSE, inverse)
    weights.save(QSMnet(width=2, kernel=3), COARSE, other)
    weights.save(Denoiser(width=2, levels=2), DENOISER, denoiser)
    bids, out = tmp_path / "bids", tmp_path / "out"
    assert main(["simulate", str(bids), "--voxel-size", "4", "--supersample", "1"]) == 0
    words = ["run", str(bids), str(out), "participant", "--skip-bids-validation", "--plugin", "Linear"]
    words += [
        "--derivatives",
        f"mask={bids / 'derivatives' / 'truth'}",
        "--inversion",
        "qsmnet",
        "--qsmnet-weights",
        f"{inverse},{other}",
    ]
    words += ["--denoise", "--denoiser-weights", str(denoiser), "--rois", "none"]
    assert main(words) == 0
    for output, path in (("denoised", denoiser), ("qsmnet", inverse)):
        made = derivative_path(out, {"sub": "01"}, output)
        assert float(load(made).data.abs().max()) > 0
        told = json.loads(sidecar_path(made).read_text())
        assert told["Measured"]["Weights"][0]["SHA256"] == weights.digest(path)
    told = json.loads(sidecar_path(derivative_path(out, {"sub": "01"}, "denoised")).read_text())
    assert told["Measured"]["Weights"][0]["FieldNoiseFrom"] == "map"
    mean = load(derivative_path(out, {"sub": "01"}, "qsmnet"))
    spread = load(derivative_path(out, {"sub": "01"}, "spread", desc="qsmnetspread"))
    assert spread.data.shape == mean.data.shape and float(spread.data.min()) == 0 < float(spread.data.max())
    report = (out / "sub-01.html").read_text()
    assert "the network QSMnet" in report and f"{COARSE.name}, a QSMnet that sees field" in report
    assert "Denoised local field" in report and "Spread of QSMnet between networks" in report
    assert "χ, QSMnet" in report and "χ, qsmnetspread" not in report and "χ, Spread" not in report

    capsys.readouterr()
    assert main(words) == 0
    assert "0 nodes executed" in capsys.readouterr().out
    weights.save(QSMnet(width=2, kernel=3), COARSE, inverse)
    assert main(words) == 0
    assert "3 nodes executed" in capsys.readouterr().out  # the network and what saves its maps
