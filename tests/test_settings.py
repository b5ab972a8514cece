"""Settings from TOML and back; what is impossible is refused by name."""

from __future__ import annotations

import dataclasses
import tomllib

import pytest

from qsmflow import config
from qsmflow.nets.card import CardError
from qsmflow.nets.weights import check_settings, names
from qsmflow.settings import ConfigError, from_table, origins, preset_path, presets, read_table, resolve, to_toml


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


def test_settings_say_where_they_come_from() -> None:
    layers = [
        ("--preset a", {"reference": "brain", "tkd": {"threshold": 0.2, "rescale": True}}),
        ("my.toml", {"tkd": {"threshold": 0.1}}),
    ]
    found = origins(layers)
    assert found == {"reference": "--preset a", "tkd.threshold": "my.toml", "tkd.rescale": "--preset a"}
    resolved = resolve(config.Config, layers)
    text = to_toml(resolved, lambda name: found.get(name, "default"))
    assert from_table(config.Config, tomllib.loads(text)) == resolved
    told = {line.split(" = ")[0]: line.split("  # ")[1] for line in text.splitlines() if " = " in line}
    assert told["reference"] == "--preset a" and told["background"] == "default"
    table = text.split("[tkd]\n")[1].splitlines()
    assert table[0].startswith("threshold = 0.1 ") and table[0].endswith("# my.toml")
    assert table[1].startswith("rescale = true ") and table[1].endswith("# --preset a")


def test_there_is_a_preset_for_each_purpose() -> None:
    wanted = {"consensus", "cosmos", "fast", "paper-qsmnet", "paper-siqsm", "qsmnet", "sloppy"}
    assert set(presets()) == wanted
    with pytest.raises(ConfigError, match="known: consensus, cosmos"):
        preset_path("nonsense")


@pytest.mark.parametrize("name", presets())
def test_presets_can_be_run_or_say_which_weights_are_missing(name: str) -> None:
    settings = resolve(config.Config, [(name, read_table(preset_path(name)))])
    missing = [one for one in settings.inversion if one in config.NETWORKS and one not in names()]
    if missing:
        with pytest.raises(CardError, match=f"--{missing[0].replace('_', '-')}-weights: weights {missing[0]}: not in"):
            check_settings(settings)
    else:
        check_settings(settings)


def test_the_consensus_is_what_it_says() -> None:
    settings = resolve(config.Config, [("", read_table(preset_path("consensus")))])
    assert settings.unwrap.method != "laplacian" and settings.quality_mask.threshold > 0
    assert settings.background in ("vsharp", "resharp", "pdf") and settings.reference == "brain"
    assert set(settings.inversion) <= {"medi", "tv", "nltv", "tgv", "nltgv", "rts", "whtv"}
