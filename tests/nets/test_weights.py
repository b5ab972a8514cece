"""Cards and weight files: what is written comes back, and what cannot be used is refused by file and field."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from qsmflow import config
from qsmflow.config import Config
from qsmflow.nets import Denoiser, QSMnet, weights
from qsmflow.nets.card import Card, CardError, read
from qsmflow.nets.channels import Channel

CARD = Card(
    name="small",
    network="QSMnet",
    parameters={"width": 2, "kernel": 3},
    inputs=(Channel("field", "ppm", 0.001, 0.02),),
    output=Channel("chi", "ppm", 0.0, 0.05),
    largest=0.3,
    training={"steps": 10, "seeds": [1, 2]},
    scores={"NRMSE": 50.0},
    limits="for tests",
)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    weights.save(QSMnet(width=2, kernel=3), CARD, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


def test_settings_name_the_same_weights_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Config(qsmnet=config.QSMnet(weights="a.safetensors, qsmnet"), denoiser=config.Denoiser(weights=""))
    found = weights.with_absolute_weights(settings)
    assert found.qsmnet.weights == f"{tmp_path / 'a.safetensors'},qsmnet"
    assert found == dataclasses.replace(settings, qsmnet=found.qsmnet)


@pytest.mark.parametrize(("half", "tolerance"), [(True, 1e-3), (False, 0.0)])
def test_what_is_saved_comes_back(tmp_path: Path, half: bool, tolerance: float) -> None:
    network = QSMnet(width=2, kernel=3)
    with torch.no_grad():
        network.down[0][1].running_var.fill_(1e-9)  # below what float16 holds
    written = weights.save(network, CARD, tmp_path / "w.safetensors", half=half)
    found, card = weights.load(tmp_path / "w.safetensors")
    assert card == written == dataclasses.replace(CARD, sha256=weights.digest(tmp_path / "w.safetensors"))
    assert not found.training
    for name, value in found.state_dict().items():
        torch.testing.assert_close(value, network.state_dict()[name], rtol=tolerance, atol=1e-7)
    assert float(found.down[0][1].running_var[0]) == pytest.approx(1e-9)


def test_a_name_is_looked_up_in_the_package(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDER", saved.parent)
    assert weights.names() == ["small"]
    assert weights.load("small")[1].name == "small"
    with pytest.raises(CardError, match=r"weights huge: not in this package \(there: small\); give the path"):
        weights.load("huge")
    with pytest.raises(CardError, match="no such file"):
        weights.load(saved.with_name("other.safetensors"))


def test_a_file_that_was_changed_is_refused(saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CardError, match=r"small.safetensors: its sha256 is not that of small.json"):
        weights.load(saved)


def test_weights_of_another_network_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(CardError, match="in the network of the card"):
        weights.save(QSMnet(width=3, kernel=3), CARD, tmp_path / "w.safetensors")
    with pytest.raises(CardError, match="inputs: 1 channels, but the network takes 2"):
        weights.save(Denoiser(), dataclasses.replace(CARD, network="Denoiser", parameters={}), saved)
    with pytest.raises(CardError, match=r"ends in .safetensors"):
        weights.save(QSMnet(width=2, kernel=3), CARD, tmp_path / "w.pt")
    saved.write_bytes(b"nonsense")
    edit(saved, sha256=weights.digest(saved))
    with pytest.raises(CardError, match="not a readable safetensors file"):
        weights.load(saved)


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    network = QSMnet(width=2, kernel=3)
    with torch.no_grad():
        network.head.weight.fill_(1e6)
    with pytest.raises(CardError, match=r"head.weight holds numbers that are not finite as float16"):
        weights.save(network, CARD, tmp_path / "w.safetensors")


def edit(path: Path, **fields: Any) -> Path:
    """Set fields of the card beside `path`; None takes one out."""
    card = weights.card_path(path)
    table = {**json.loads(card.read_text()), **fields}
    card.write_text(json.dumps({name: value for name, value in table.items() if value is not None}))
    return card


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"size": 3}, "field: 'size' is not one of name, network"),
        ({"network": None}, "network: missing"),
        ({"network": "Net"}, "network: 'Net' is not one of QSMnet"),
        ({"parameters": {"depth": 3}}, "parameters: 'depth' is not one of width"),
        ({"parameters": [3]}, r"parameters: \[3\] is not what"),
        ({"largest": "wide"}, "largest: 'wide' is not what"),
        ({"largest": 0}, "largest: 0.0 ppm; it must be above 0"),
        ({"frame": "moving"}, "frame: 'moving' is not one of fixed, native"),
        ({"voxel_size": [1.0]}, "voxel_size"),
        ({"voxel_size": 1.0}, "voxel_size: 1.0 is not what"),
        ({"inputs": [{"name": "phase", "unit": "rad"}]}, "inputs.name: 'phase' is not one of field, mask"),
        ({"inputs": [{"name": "field"}]}, "inputs.unit: missing"),
        ({"output": {"name": "chi", "unit": "ppm", "sd": 0}}, "output.sd: that of chi is 0"),
        ({"output": {"name": "chi", "unit": "ppb"}}, "output.unit: chi is in 'ppm', not in 'ppb'"),
        ({"inputs": [{"name": "field", "unit": "Hz"}]}, "inputs.unit: field is in 'ppm', not in 'Hz'"),
        ({"inputs": [{"name": "field", "unit": "ppm", "sd": math.inf}]}, "inputs.sd: inf is no finite number"),
        ({"inputs": [{"name": "field", "unit": "ppm", "mean": math.nan}]}, "inputs.mean: nan is no finite number"),
        ({"inputs": []}, "inputs: none are given"),
        ({"largest": math.inf}, "largest: inf is no finite number"),
        ({"largest": 10**400}, "largest: 10+ is no finite number"),
        ({"voxel_size": [1.0, 1.0, math.nan]}, "voxel_size: nan is no finite number"),
        ({"voxel_size": [1.0, 1.0, -1.0]}, "voxel_size: .* give three lengths above 0"),
        ({"parameters": {"width": "4"}}, "parameters.width: '4' is no whole number"),
        ({"parameters": {"kernel": -3}}, "parameters.kernel: -3 is no whole number"),
        ({"parameters": {"activation": ["relu"]}}, r"parameters.activation: \['relu'\] is not one of"),
        ({"network": "UNet", "parameters": {"outputs": 2}}, "parameters.outputs: 2; a network that gives a map has 1"),
        ({"network": "Denoiser", "parameters": {}}, "inputs: 1 channels, but the network takes 2"),
        ({"output": "chi"}, "output.: expected an object"),
        (
            {"network": "PackedUNet", "parameters": {"width": 2}, "output": {"name": "chi", "unit": "ppm", "sd": 0.3}},
            "output: the network adds to field; give both the same mean and sd, not",
        ),
        (
            {
                "network": "Denoiser",
                "parameters": {},
                "inputs": [{"name": "field", "unit": "ppm"}, {"name": "noise", "unit": "ppm", "mean": 0.01}],
                "output": {"name": "field", "unit": "ppm"},
            },
            "inputs: the network scales by noise; give it mean 0",
        ),
    ],
)
def test_a_card_that_cannot_be_is_refused_by_file_and_field(saved: Path, fields: dict[str, Any], told: str) -> None:
    path = edit(saved, **fields)
    with pytest.raises(CardError, match=told) as caught:
        read(path)
    assert "small.json: " in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_or_broken_card_is_refused(saved: Path) -> None:
    weights.card_path(saved).write_text("{")
    with pytest.raises(CardError, match=r"small.json: not a readable JSON"):
        weights.load(saved)
    weights.card_path(saved).unlink()
    with pytest.raises(CardError, match="needs its card beside it"):
        weights.load(saved)


@pytest.mark.parametrize(
    "wrong",
    [{"mean": math.nan}, {"sd": math.inf}, {"sd": math.nan}, {"unit": "banana"}],
    ids=lambda one: next(iter(one)),
)
def test_a_channel_that_normalises_to_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CardError, match=f"inputs.{next(iter(wrong))}: "):
        dataclasses.replace(CARD, inputs=(dataclasses.replace(CARD.inputs[0], **wrong),))


def test_a_file_is_read_again_where_it_has_changed(tmp_path: Path) -> None:
    file, read_files = tmp_path / "file", []
    version = weights.while_unchanged(lambda path: read_files.append(path) or path.read_text())
    file.write_text("old")
    assert (version(file), version(file), len(read_files)) == ("old", "old", 1)
    file.write_text("new")
    os.utime(file, ns=(0, 1))
    assert version(file) == "new"
