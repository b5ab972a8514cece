"""Training that starts from weights that are there, and weights from which it cannot."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from qsmflow.nets import weights
from qsmflow.settings import ConfigError, from_table
from qsmflow.training.fit import train
from qsmflow.training.recipe import Recipe
from tests.training.test_fit import TINY

RECIPE = from_table(Recipe, TINY)
#: With a step so small that nothing moves.
STILL = replace(RECIPE, fit=replace(RECIPE.fit, steps=1, learning_rate=1e-12, ema=0.0))


@pytest.fixture
def there(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / "there.safetensors"
    weights.save(RECIPE.card().build(), RECIPE.card(), path)
    return path


def test_the_first_weights_are_those_that_are_named(there: Path, tmp_path: Path) -> None:
    made, card = weights.load(train(replace(STILL, start=str(there)), tmp_path / "run", device="cpu"))
    begun, _ = weights.load(there)
    for one, other in zip(made.named_parameters(), begun.parameters(), strict=True):
        torch.testing.assert_close(one[1], other, rtol=2e-3, atol=1e-6, msg=one[0])
    assert card.training["start"] == f"{there}, sha256 {weights.digest(there)}"


def test_without_them_weights_are_random(there: Path, tmp_path: Path) -> None:
    made, card = weights.load(train(STILL, tmp_path / "run", device="cpu"))
    begun, _ = weights.load(there)
    assert not torch.allclose(next(made.parameters()), next(begun.parameters()), atol=1e-2)
    assert "start" not in card.training


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"inputs": ("field", "noise")}, r"start: .*there\.safetensors: inputs is "),
        ({"output": "field", "loss": {"l1": 1.0}}, r"start: .*: output is .*; take other weights"),
        ({"parameters": {"inputs": 2, "width": 8, "levels": 2}}, r"start: .*: parameters is "),
        ({"start": "none.safetensors"}, r"start: none\.safetensors: no such file"),
    ],
)
def test_weights_of_something_else_are_refused(
    there: Path, tmp_path: Path, change: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        train(replace(RECIPE, **{"start": str(there), **change}), tmp_path / "run", device="cpu")
    assert re.match(told, str(refused.value)), refused.value
    assert not (tmp_path / "run").exists()
