"""`qsmflow weights`, and runs whose weights are missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from qsmflow.cli.main import main
from qsmflow.nets import QSMnet, weights
from tests.builders import make_bids

CARD = {
    "name": "tiny",
    "network": "QSMnet",
    "parameters": {"width": 2, "kernel": 3},
    "inputs": [{"name": "field", "unit": "ppm", "sd": 0.05}],
    "output": {"name": "chi", "unit": "ppm", "sd": 0.1},
    "largest": 0.5,
}


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """Weights imported into what is taken for the package's folder."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path / "package")
    torch.save(QSMnet(width=2, kernel=3).state_dict(), tmp_path / "state.pt")
    (tmp_path / "card.json").write_text(json.dumps(CARD))
    out = tmp_path / "package" / "tiny.safetensors"
    assert main(["weights", "import", str(tmp_path / "state.pt"), str(tmp_path / "card.json"), str(out)]) == 0
    capsys.readouterr()
    return out


def test_weights_are_imported_listed_shown_and_verified(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    assert "tiny" in (told := capsys.readouterr().out) and "field -> chi" in told
    assert main(["weights", "info", "tiny"]) == 0
    assert json.loads(capsys.readouterr().out)["sha256"] == weights.digest(imported)
    assert main(["weights", "verify"]) == 0
    assert "intact" in capsys.readouterr().out
    content = bytearray(imported.read_bytes())
    content[-1] ^= 1
    imported.write_bytes(content)
    assert main(["weights", "verify", str(imported)]) == 2
    assert "its sha256 is not that of tiny.json" in capsys.readouterr().err


def test_an_empty_package_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    assert main(["weights", "list"]) == 0
    assert "no weights in the package" in capsys.readouterr().out
    assert main(["weights", "verify"]) == 0
    assert "no weights in the package" in capsys.readouterr().out


def test_a_network_without_its_card_is_refused(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights.card_path(imported).unlink()
    assert main(["weights", "info", str(imported)]) == 2
    assert "needs its card beside it" in capsys.readouterr().err


@pytest.mark.parametrize("prefix", ["", "network.", "model.module."])
def test_a_state_dict_is_found_within_a_checkpoint(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], prefix: str
) -> None:
    state = {f"{prefix}{name}": value for name, value in torch.load(tmp_path / "state.pt").items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "checkpoint.pt")
    words = ["weights", "import", str(tmp_path / "checkpoint.pt"), str(tmp_path / "card.json")]
    assert main([*words, str(tmp_path / "again.safetensors")]) == 0
    assert weights.digest(tmp_path / "again.safetensors") == weights.digest(imported)
    assert main([*words, str(tmp_path / "state.pt" / "again.safetensors")]) == 2
    told = capsys.readouterr().err
    assert "again.safetensors: cannot be written" in told and told.count("\n") == 1


@pytest.mark.parametrize("what", ["nothing", "text", "other", "list", "keys"])
def test_a_state_that_is_none_is_refused(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    state = tmp_path / "wrong.pt"
    if what == "text":
        state.write_text("nonsense")
    elif what == "other":
        torch.save(QSMnet(width=3, kernel=3).state_dict(), state)
    elif what == "list":
        torch.save([1, 2], state)
    elif what == "keys":
        torch.save({f"network.{name}": torch.zeros(1) for name in range(500)}, state)
    out = str(tmp_path / "out.safetensors")
    assert main(["weights", "import", str(state), str(tmp_path / "card.json"), out]) == 2
    told = capsys.readouterr().err
    assert "wrong.pt: " in told and told.count("\n") == 1 and len(told) < 300


@pytest.mark.parametrize("verb", ["run", "validate"])
@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--inversion", "qsmnet", "--qsmnet-weights", "mine"], "--qsmnet-weights: weights mine: not in this package"),
        (
            ["--inversion", "tkd", "siqsm", "--siqsm-weights", "a.safetensors"],
            "--siqsm-weights: a.safetensors: no",
        ),
        (["--inversion", "l2", "--denoise", "--denoiser-weights", "x"], "--denoiser-weights: weights x: not in this"),
        (["--inversion", "l2", "--denoise", "--denoiser-weights", "tiny"], "output is chi, where field is needed"),
    ],
)
def test_missing_weights_stop_a_run_before_it_begins(
    imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, flags: list[str], told: str
) -> None:
    bids = make_bids(tmp_path / "bids")
    words = [verb, str(bids)] + ([str(tmp_path / "out"), "participant"] if verb == "run" else [])
    assert main([*words, *flags]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
