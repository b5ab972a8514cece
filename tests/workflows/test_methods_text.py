"""The methods text says what runs, and differs where runs do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from qsmflow.config import BACKGROUNDS, INVERSIONS, TKD, Config, Unwrap, VSharp
from qsmflow.workflows.base import methods_sentences
from tests.builders import add_derivative, make_bids
from tests.workflows.small import graph


def test_methods_text_names_what_runs(tmp_path: Path) -> None:
    single = " ".join(methods_sentences(graph(tmp_path)))
    assert "[@romeo]" in single and "V-SHARP" in single and "COSMOS" not in single
    for method, key in (("laplacian", "laplacian"), ("best_path", "bestpath"), ("segue", "segue")):
        settings = dataclasses.replace(Config(), unwrap=Unwrap(method=method))
        other = " ".join(methods_sentences(graph(tmp_path, settings)))
        assert f"[@{key}]" in other and "unwrapped by ROMEO" not in other


@pytest.mark.parametrize(
    ("echoes", "settings", "told"),
    [
        (1, Unwrap(), ()),
        (2, Unwrap(), ("after it in time", "[@mcpc3ds]")),
        (3, Unwrap(), ("after it in time", "[@mcpc3ds]", "Where echoes of opposite readout")),
        (3, Unwrap(bipolar="yes", echoes="individual"), ("Each echo", "[@mcpc3ds]", "The linear phase between")),
        (3, Unwrap(bipolar="no", remove_offset=False), ("after it in time",)),
    ],
)
def test_methods_text_of_unwrapping(tmp_path: Path, echoes: int, settings: Unwrap, told: tuple[str, ...]) -> None:
    workflow = graph(tmp_path, dataclasses.replace(Config(), unwrap=settings), echoes=(0.005, 0.010, 0.015)[:echoes])
    text = " ".join(methods_sentences(workflow))
    possible = ("after it in time", "Each echo", "[@mcpc3ds]", "Where echoes of opposite", "The linear phase between")
    assert all(part in text for part in told)
    assert sum(part in text for part in possible) == len(told)


def test_the_methods_text_follows_the_stages(tmp_path: Path) -> None:
    text = " ".join(methods_sentences(graph(tmp_path, orientations=("ori1", "ori2"))))
    told = ["processed by qsmflow", "brain was masked", "unwrapped by ROMEO", "echoes were combined"]
    told += ["background field", "Susceptibility was computed", "registered", "COSMOS"]
    places = [text.index(words) for words in told]
    assert places == sorted(places)


def test_methods_differ_exactly_where_the_runs_do(tmp_path: Path) -> None:
    make_bids(tmp_path / "bids")
    runs = [Config(inversion=("l2",)), Config(inversion=("l2",), background="pdf"), Config(inversion=("tkd",))]
    texts = [methods_sentences(graph(tmp_path, settings)) for settings in runs]
    for text, works in zip(texts[1:], (("@vsharp", "@pdf"), ("@l2", "@tkd")), strict=True):
        ((before, after),) = [(a, b) for a, b in zip(texts[0], text, strict=True) if a != b]
        assert works[0] in before and works[1] in after


def another(item: dataclasses.Field[Any], value: Any) -> Any:
    """A value that the setting `item` may have, and does not."""
    if item.metadata["choices"]:
        return next(one for one in item.metadata["choices"] if one not in (value, "auto"))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 2
    return 0.9 * value if isinstance(value, float) else "qsmnet_plus" if value == "qsmnet" else "qsmnet"


#: Settings without which a stage computes the same, unless another setting asks for them.
UNUSED = {("vsharp", "threshold")}


@pytest.mark.parametrize("stage", [*INVERSIONS, *BACKGROUNDS])
def test_every_setting_of_what_ran_changes_the_methods_text(tmp_path: Path, stage: str) -> None:
    make_bids(tmp_path / "bids")
    chosen: dict[str, Any] = {"background": stage} if stage in BACKGROUNDS else {"inversion": (stage,)}
    before = methods_sentences(graph(tmp_path, Config(**chosen)))
    for table in BACKGROUNDS.get(stage, (stage,)):
        own = getattr(Config(), table)
        for item in dataclasses.fields(own):
            if (table, item.name) in UNUSED:
                continue
            changed = dataclasses.replace(own, **{item.name: another(item, getattr(own, item.name))})
            after = methods_sentences(graph(tmp_path, Config(**chosen, **{table: changed})))
            assert after != before, f"{table}.{item.name}"


def test_the_truncation_of_an_inverse_is_told(tmp_path: Path) -> None:
    texts = [
        " ".join(methods_sentences(graph(tmp_path, Config(vsharp=VSharp(deconvolution="inverse", threshold=value)))))
        for value in (0.05, 0.1)
    ]
    assert "truncated at 0.05" in texts[0] and "truncated at 0.1" in texts[1]


def test_the_methods_text_states_what_decides(tmp_path: Path) -> None:
    settings = Config(inversion=("tkd", "l2"), tkd=TKD(threshold=0.25), choose_weight="lcurve")
    told = " ".join(methods_sentences(graph(tmp_path, settings)))
    assert "[@tkd] (threshold 0.25) and by closed-form L2-regularised inversion [@l2] (weight 0.01)" in told
    assert "The weight of l2 was sought by the L-curve's inflection [@lcurve]" in told
    assert "where they do not, none are told" in told


def test_the_methods_text_names_what_was_supplied(tmp_path: Path) -> None:
    make_bids(tmp_path / "bids")
    for kind in ("local", "csf", "rois"):
        add_derivative(tmp_path / "given", {"sub": "01"}, kind)
    given = tmp_path / "given"
    assert "supplied" not in " ".join(methods_sentences(graph(tmp_path)))
    told = " ".join(methods_sentences(graph(tmp_path, supplied=dict.fromkeys(("local", "csf", "labels"), given))))
    assert "The local field, the mask of the cerebrospinal fluid and labels of regions were supplied." in told
    told = " ".join(methods_sentences(graph(tmp_path, supplied={"local": given})))
    assert "The local field was supplied." in told
