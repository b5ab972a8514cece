"""Settings from TOML and back; what is impossible is refused by name."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from qsmflow import config, settings
from qsmflow.settings import ConfigError, from_table, preset_path, read_table, resolve, to_toml


def test_toml_comes_back() -> None:
    changed = dataclasses.replace(config.Config(), inversion=("l2",), tkd=config.TKD(threshold=0.2))
    changed = dataclasses.replace(changed, qsmnet=config.QSMnet(weights='a "b" \\ c\n\td é'))
    assert from_table(config.Config, tomllib.loads(to_toml(changed))) == changed


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"tkd": {"limit": 0.1}}, "tkd.limit: no such setting"),
        ({"tkd": {"threshold": 5.0}}, "tkd.threshold: 5.0 is above"),
        ({"unwrap": {"method": "magic"}}, "magic"),
        ({"tkd": 3}, "table"),
        ({"field": {"method": "nonlinear"}, "unwrap": {"method": "laplacian"}}, "field.method: nonlinear needs"),
        ({"vsharp": {"max_radius": "wide"}}, "expected float"),
        ({"background": "sharp"}, "background: 'sharp' is not one of vsharp, resharp"),
        ({"inversion": ["tkd", "magic"]}, "magic"),
        ({"inversion": "tkd"}, "inversion: expected a list"),
        ({"tkd": {"threshold": 0}}, "tkd.threshold: 0.0 is not above 0"),
        ({"tsvd": {"threshold": 0.0}}, "tsvd.threshold: 0.0 is not above 0"),
        ({"ilsqr": {"threshold": 0.0}}, "ilsqr.threshold: 0.0 is not above 0"),
        ({"l2": {"weight": 0.0}}, "l2.weight: 0.0 is not above 0"),
        ({"medi": {"weight": 0.0}}, "medi.weight: 0.0 is not above 0"),
        ({"l2": {"weight": float("inf")}}, "l2.weight: inf is not a finite number"),
        ({"lbv": {"tolerance": float("nan")}}, "lbv.tolerance: nan is not a finite number"),
        ({"ndi": {"weight": 0.0}, "inversion": ["ndi"], "choose_weight": "lcurve"}, "ndi.weight: 0 is no weight"),
        ({"inversion": ["tkd"], "choose_weight": "lcurve"}, "choose_weight: tkd without a weight"),
        ({"inversion": ["ilsqr"], "choose_weight": "lcurve"}, "choose_weight: ilsqr without a weight"),
    ],
)
def test_impossible_settings_are_refused_by_name(table: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        resolve(config.Config, [("my.toml", table)])
    assert "my.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_what_may_be_zero_or_infinite_is() -> None:
    assert config.Config(ndi=config.NDI(weight=0.0), inversion=("ndi",)).ndi.weight == 0
    assert config.Simulate(snr=float("inf")).snr == float("inf")
    with pytest.raises(ConfigError, match="te: inf is not a finite number"):
        config.Simulate(te=(0.004, float("inf")))


def test_presets_are_readable() -> None:
    folder = Path(settings.__file__).parent / "data" / "presets"
    presets = sorted(folder.glob("*.toml"))
    assert presets
    for path in presets:
        resolve(config.Config, [(path.name, read_table(preset_path(path.stem)))])
    with pytest.raises(ConfigError, match="known"):
        preset_path("nonsense")
