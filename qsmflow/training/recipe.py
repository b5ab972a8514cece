"""What a training run is made of: a TOML file, and the settings it fills in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from qsmflow.nets.card import Card, CardError
from qsmflow.nets.channels import CHANNELS, Channel
from qsmflow.nets.levels import Ladder
from qsmflow.settings import ConfigError, Settings, from_table, read_table, setting

from .losses import FIELD_LOSSES, LOSSES

#: Settings of the data that count for one kind of it alone.
_OF_KIND = {
    "heads": ("anatomies", "kept", "window", "renew"),
    "cosmos": ("folder", "overlap", "rotation"),
}
#: Channels that tell nothing of the direction of B0 and of the size of voxels.
_LOCAL = {"field", "mask", "noise", "certainty"}
#: The recipes of the package, by the name under which ``qsmflow train`` takes them.
FOLDER = Path(__file__).parents[1] / "data" / "recipes"


@dataclass(frozen=True)
class Data(Settings):
    """What the network sees."""

    kind: str = setting(
        "heads",
        "heads: domain-randomised procedural heads; cosmos: labels of a `qsmflow run` output; spheres: analytic "
        "spheres and cylinders (SI-QSM); cubes: cubes and spheres (DeepQSM)",
        choices=("heads", "cosmos", "spheres", "cubes"),
    )
    folder: str = setting("", "cosmos: the output of `qsmflow run`")
    patch: int = setting(64, "voxels of a patch along each axis", low=8)
    overlap: float = setting(
        0.0,
        "cosmos: patches on a grid that overlap by this share, each once an epoch; 0: at random places",
        low=0,
        high=0.95,
    )
    rotation: float = setting(
        0.0,
        "cosmos: every second volume is turned by up to this, degrees, with the field of the turned label",
        low=0,
        high=90,
    )
    anatomies: int = setting(32, "heads: how many different ones; 0: one for every volume", low=0)
    kept: int = setting(0, "heads: how many volumes are made, kept on disk and shown again; 0: ever new ones", low=0)
    window: int = setting(4, "heads: volumes from which the patches of a batch come", low=1)
    renew: int = setting(8, "heads: batches after which the oldest of them is replaced", low=1)
    largest: float = setting(1.4, "ppm: strongest lesion, or strongest shape, either way", low=1e-6)
    scale: float = setting(1.0, "field and susceptibility are multiplied by up to this (QSMnet+)", low=1)
    invert: bool = setting(False, "and change their sign in half of the patches (QSMnet+)")
    flips: bool = setting(True, "patches are mirrored along random axes")
    noise: tuple[float, ...] = setting((), "ppm: Gaussian noise that is added, one of these for each patch")

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind, names in _OF_KIND.items():
            for name in names:
                value = getattr(self, name)
                if self.kind != kind and value != getattr(Data, name):
                    raise ConfigError(f"{name}: {value!r} is for kind {kind} alone, not for {self.kind}; leave it out")
        if round(self.patch * (1.0 - self.overlap)) < 1:
            raise ConfigError(
                f"overlap: {self.overlap:g} leaves no step of a voxel in a patch of {self.patch}; lower it"
            )
        for sd in self.noise:
            if not _is_weight(sd):
                raise ConfigError(f"noise: {sd!r} is no standard deviation; give numbers that are not negative")


@dataclass(frozen=True)
class Fit(Settings):
    """How the network is fitted."""

    steps: int = setting(10_000, "batches", low=1)
    batch: int = setting(12, "patches of a batch", low=1)
    optimizer: str = setting("adam", "how weights follow the gradient", choices=("adam", "adamw", "rmsprop"))
    learning_rate: float = setting(1e-3, "at its largest", above=0)
    schedule: str = setting(
        "cosine",
        "cosine: to zero at the last step; step: times `decay` every `decay_steps`; constant",
        choices=("cosine", "step", "constant"),
    )
    warmup: int = setting(0, "steps in which the learning rate rises from zero", low=0)
    decay: float = setting(0.5, "factor of the schedule `step`", low=0, high=1)
    decay_steps: int = setting(1000, "steps between two of them", low=1)
    weight_decay: float = setting(0.0, "of adamw", low=0)
    clip: float = setting(1.0, "largest norm of the gradient; 0: any", low=0)
    ema: float = setting(
        0.999, "decay of the moving average of the weights, which is what is exported; 0: none", low=0, high=0.99999
    )
    precision: str = setting("float32", "of the network", choices=("float32", "bfloat16"))
    seed: int = setting(0, "of weights and data", low=0)
    checkpoint_minutes: float = setting(5.0, "between two checkpoints", low=0)
    validate_steps: int = setting(1000, "steps between two looks at held-out volumes", low=1)
    validation_volumes: int = setting(2, "how many of them", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup > self.steps:
            raise ConfigError(f"warmup: {self.warmup} steps of {self.steps}; give fewer than there are")


@dataclass(frozen=True)
class Recipe(Settings):
    """A training run."""

    name: str = setting("network", "of the weights")
    network: str = setting("QSMnet", "definition of the network")
    frame: str = setting(
        "fixed", "fixed: voxels of 1 mm, B0 along the third axis; native: any", choices=("fixed", "native")
    )
    inputs: tuple[str, ...] = setting(("field",), "channels that the network sees")
    output: str = setting(
        "chi",
        "what it gives: susceptibility, or the field without its noise and what background removal left in it",
        choices=("chi", "field"),
    )
    field_sd: float = setting(0.02, "ppm: fields are divided by it", low=1e-9)
    chi_sd: float = setting(0.05, "ppm: susceptibilities are divided by it", low=1e-9)
    limits: str = setting("", "what the weights are not for; goes on their card")
    start: str = setting(
        "", "weights to start from, by name or file, of the same network and channels; empty: random ones"
    )
    parameters: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, float] = field(default_factory=lambda: {"l1": 1.0})
    data: Data = field(default_factory=Data)
    fit: Fit = field(default_factory=Fit)

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.loss if name not in LOSSES]
        if unknown or not self.loss:
            raise ConfigError(f"loss: {', '.join(unknown) or 'none given'}; there are {', '.join(LOSSES)}")
        for name, weight in self.loss.items():
            if not _is_weight(weight):
                raise ConfigError(f"loss.{name}: {weight!r} is no weight; give a number that is not negative")
        if not any(self.loss.values()):
            raise ConfigError("loss: every weight is 0; give one that is not")
        if not self.name or self.name.startswith(".") or any(mark in self.name for mark in "/\\\n"):
            raise ConfigError(f"name: {self.name!r} is no name of a file; give one without separators of folders")
        self._check_inputs()
        network = self.outline()
        of_chi = [name for name, weight in self.loss.items() if weight and name in FIELD_LOSSES]
        if of_chi and (self.output != "chi" or network.dims != 3):
            raise ConfigError(
                f"loss.{of_chi[0]}: takes the field of a susceptibility in three dimensions; leave it out where output "
                "is field or the network one of slices"
            )
        if self.data.patch % network.multiple:
            raise ConfigError(
                f"data.patch: {self.data.patch} is no multiple of {network.multiple}, as the network needs"
            )

    def _check_inputs(self) -> None:
        """Refuse channels from which the output cannot be learned."""
        twice = sorted({name for name in self.inputs if self.inputs.count(name) > 1})
        if twice:
            raise ConfigError(f"inputs: {', '.join(twice)} more than once; give each channel once")
        if self.output == "field" and "field" not in self.inputs:
            raise ConfigError("inputs: output field is the channel field without its noise; put field among them")
        if self.output == "chi" and self.frame == "native" and _LOCAL.issuperset(self.inputs):
            raise ConfigError(
                f"inputs: {', '.join(self.inputs)} do not tell the network of B0 and voxels, which are any in "
                "frame native; add a map such as tkd or take frame fixed"
            )

    def outline(self) -> Ladder:
        """The network without memory for its weights.

        Raises
        ------
        ConfigError
            There is none with these parameters and inputs.
        """
        try:
            with torch.device("meta"):
                return self.card().build()
        except CardError as error:
            raise ConfigError(str(error)) from error
        except (RuntimeError, OverflowError) as error:
            raise ConfigError(f"parameters: a network too large ({error}); lower its width or levels") from error

    def card(self, largest: float | None = None, scores: Mapping[str, float] | None = None, **training: Any) -> Card:
        """The card of the weights: the strongest field they saw, what they reached and how they came about."""
        sd = {"field": self.field_sd, "noise": self.field_sd, "mask": 1.0, "certainty": 1.0}
        inputs = tuple(
            Channel(name, CHANNELS[name].unit if name in CHANNELS else "", sd=sd.get(name, self.chi_sd))
            for name in self.inputs
        )
        output = Channel(self.output, "ppm", sd=self.chi_sd if self.output == "chi" else self.field_sd)
        return Card(
            name=self.name,
            network=self.network,
            parameters=self.parameters,
            inputs=inputs,
            output=output,
            largest=largest or self.data.largest * self.data.scale,
            frame=self.frame,
            training=training,
            scores=scores or {},
            limits=self.limits,
        )


def _is_weight(value: Any) -> bool:
    """Whether it is a number that is finite and not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def read_recipe(source: Path | str, folder: Path | None = None) -> Recipe:
    """A recipe from a TOML file, or of the package by its name.

    Parameters
    ----------
    source
        File, or name.
    folder
        Takes the place of ``data.folder``.

    Raises
    ------
    ConfigError
        There is none, or a setting of it cannot be used; file, setting and mend in one line.
    """
    path = Path(source)
    if path.suffix != ".toml":
        known = sorted(one.stem for one in FOLDER.glob("*.toml"))
        if str(source) not in known:
            raise ConfigError(f"{source}: no such recipe; give a .toml file or one of {', '.join(known)}")
        path = FOLDER / f"{source}.toml"
    table = read_table(path)
    try:
        recipe = from_table(Recipe, table)
        if folder is not None and recipe.data.kind != "cosmos":
            raise ConfigError(f"data.kind: {recipe.data.kind} takes no --data; only cosmos does")
        if folder is not None:
            recipe = replace(recipe, data=replace(recipe.data, folder=str(folder.absolute())))
        if recipe.data.kind == "cosmos" and not recipe.data.folder:
            raise ConfigError(
                "data.folder: missing; give --data, the output of a `qsmflow run` on several orientations"
            )
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return recipe
