"""Where training starts: from weights that are there, for what they learned is not learned again."""

from __future__ import annotations

from qsmflow.nets import weights
from qsmflow.nets.card import CardError
from qsmflow.nets.levels import Ladder
from qsmflow.settings import ConfigError

from .recipe import Recipe

#: What the weights must have in common with the recipe.
_SAME = ("network", "parameters", "frame", "inputs", "output")


def start(recipe: Recipe, network: Ladder) -> None:
    """Give the network of a recipe the weights that the recipe names, if it names some.

    Raises
    ------
    ConfigError
        There are none, or they are those of another network or of other channels.
    """
    if not recipe.start:
        return
    try:
        path = weights.find(recipe.start)
        other, card = weights.load(path)
        own = recipe.card()
        for name in _SAME:
            there, here = getattr(card, name), getattr(own, name)
            if there != here:
                raise CardError(f"{path}: {name} is {there}, but {here} in the recipe; take other weights")
    except CardError as error:
        raise ConfigError(f"start: {error}") from error
    network.load_state_dict(other.state_dict())


def named(recipe: Recipe) -> str:
    """The weights of the start and their sha256, for the card; empty where there are none."""
    return f"{recipe.start}, sha256 {weights.digest(weights.find(recipe.start))}" if recipe.start else ""
