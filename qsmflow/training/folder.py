"""The folder of a training run: whether it is this run's, how far it came, and that what is in it is whole."""

from __future__ import annotations

import zipfile
from pathlib import Path

from qsmflow.bids.write import write_text
from qsmflow.errors import InputError
from qsmflow.nets.card import CardError
from qsmflow.nets.weights import verify
from qsmflow.settings import ConfigError, from_table, read_table, to_toml

from .anatomy import is_whole
from .recipe import Recipe


def finished(weights: Path, recipe: Recipe) -> bool:
    """Whether weights and card of the last step are there; what was stopped while it wrote them is not finished."""
    try:
        return weights.is_file() and verify(weights).training.get("steps") == recipe.fit.steps
    except CardError:
        return False


def refuse_damaged(checkpoint: Path) -> None:
    """Refuse a checkpoint that is there and not as it was written."""
    if not checkpoint.is_file():
        return
    if is_whole(checkpoint):
        with zipfile.ZipFile(checkpoint) as parts:
            if parts.testzip() is None:
                return
    raise InputError(f"{checkpoint}: cut short or damaged; delete it, and the run begins again")


def refuse_other(recipe: Recipe, folder: Path) -> None:
    """Refuse a folder that holds the run of another recipe."""
    path = folder / "recipe.toml"
    if not path.is_file():
        return
    try:
        kept = from_table(Recipe, read_table(path))
    except ConfigError as error:
        raise InputError(f"{path}: not the recipe of this run ({error}); take another --out") from error
    if kept != recipe:
        raise InputError(f"{folder}: holds a run of another recipe (its recipe.toml differs); take another --out")


def keep(recipe: Recipe, folder: Path) -> None:
    """Write the recipe into a new folder."""
    path = folder / "recipe.toml"
    if path.is_file():
        return
    try:
        write_text(path, to_toml(recipe))
    except OSError as error:
        raise InputError(f"{folder}: cannot be made or written ({error.strerror}); take another --out") from error
