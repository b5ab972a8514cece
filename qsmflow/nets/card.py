"""The card beside every weight file: what the network is, what it may be given, how it came about."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from qsmflow.errors import InputError

from .channels import CHANNELS, OUTPUTS, Channel
from .levels import Ladder
from .packed import PackedUNet
from .siqsm import SIQSM
from .unet import DeepQSM, Denoiser, QSMnet, UNet

#: Definitions that a card can name.
NETWORKS: dict[str, type[Ladder]] = {
    network.__name__: network for network in (QSMnet, DeepQSM, SIQSM, Denoiser, UNet, PackedUNet)
}
FRAMES = ("fixed", "native")


class CardError(InputError):
    """A card or weight file that cannot be used; the message names file and field in one line."""


@dataclass(frozen=True)
class Card:
    """What is known of trained weights.

    Attributes
    ----------
    name
        By which they are known.
    network, parameters
        A key of `NETWORKS`, and the arguments of its constructor.
    inputs, output
        Channels; the output is ``chi`` or ``field``, ppm.
    largest
        ppm: the largest absolute field in the mask that it was trained for.
    frame
        ``fixed``: data are turned until B0 is along z and resampled to `voxel_size`; ``native``: it takes data on
        their own grid, whatever voxel and direction of B0, because its inputs tell it of them.
    voxel_size
        mm, of a fixed frame.
    training
        Data, steps, hardware, hours, commit, command, seeds.
    scores, limits, licence
        What it reached, what it is not for, and on what terms it may be used.
    sha256
        Of the weight file.
    """

    name: str
    network: str
    parameters: Mapping[str, Any]
    inputs: tuple[Channel, ...]
    output: Channel
    largest: float
    frame: str = "fixed"
    voxel_size: tuple[float, ...] = (1.0, 1.0, 1.0)
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    limits: str = ""
    licence: str = "Apache-2.0"
    sha256: str = ""

    def __post_init__(self) -> None:
        _one_of("network", self.network, NETWORKS)
        _one_of("frame", self.frame, FRAMES)
        _one_of("output.name", self.output.name, OUTPUTS)
        if not self.inputs:
            raise CardError("inputs: none are given; give one channel at least")
        for channel in self.inputs:
            _one_of("inputs.name", channel.name, CHANNELS)
            _refuse_channel("inputs", channel, CHANNELS[channel.name].unit)
        _refuse_channel("output", self.output, OUTPUTS[self.output.name])
        if not self.largest > 0:
            raise CardError(f"largest: {self.largest} ppm; it must be above 0")
        if len(self.voxel_size) != 3 or not all(0 < size < math.inf for size in self.voxel_size):
            raise CardError(f"voxel_size: {self.voxel_size}; give three lengths above 0, mm")
        known = inspect.signature(NETWORKS[self.network]).parameters
        for name in self.parameters:
            _one_of("parameters", name, known)
        if self.parameters.get("outputs", 1) != 1:
            raise CardError(f"parameters.outputs: {self.parameters['outputs']!r}; a network that gives a map has 1")

    def build(self) -> Ladder:
        """The network, with weights that no one trained.

        Raises
        ------
        CardError
            Its parameters cannot be, it does not take as many channels as the card has, it adds to an input that is
            normalised in another way than the output, or scales by one that may be zero where its volume is not.
        """
        try:
            network = NETWORKS[self.network](**self.parameters)
        except ValueError as error:
            raise CardError(f"parameters.{error}") from error
        except (TypeError, RuntimeError) as error:
            raise CardError(f"parameters: {str(error).partition(chr(10))[0]}") from error
        if network.inputs != len(self.inputs):
            raise CardError(f"inputs: {len(self.inputs)} channels, but the network takes {network.inputs}")
        first = self.inputs[0]
        if network.residual and (first.mean, first.sd) != (self.output.mean, self.output.sd):
            raise CardError(
                f"output: the network adds to {first.name}; give both the same mean and sd, not {first.mean:g} and "
                f"{first.sd:g}, {self.output.mean:g} and {self.output.sd:g}"
            )
        if network.scaled and self.inputs[1].mean != 0:
            raise CardError(f"inputs: the network scales by {self.inputs[1].name}; give it mean 0")
        return network

    def write(self, path: Path) -> None:
        """Write JSON; `read` gives the same card."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> Card:
    """A card from its JSON file.

    Raises
    ------
    CardError
        The file cannot be read, one of its fields is unknown, missing or of another kind, or there can be no such
        network.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CardError(f"{path}: no such file; a weight file needs its card beside it") from error
    except (OSError, ValueError) as error:
        raise CardError(f"{path}: not a readable JSON file ({error})") from error
    try:
        card: Card = _made(Card, table, "")
        with torch.device("meta"):
            card.build()  # without numbers: only whether it can be
        return card
    except CardError as error:
        raise CardError(f"{path}: {error}") from error


def _made(kind: Any, table: Any, where: str) -> Any:
    """A `Card` or `Channel` of a JSON object."""
    if not isinstance(table, dict):
        raise CardError(f"{where or 'card'}: expected an object, got {table!r}")
    fields = {item.name: item for item in dataclasses.fields(kind)}
    for name in table:
        _one_of(f"{where}field", name, fields)
    values = {}
    for name, item in fields.items():
        if name not in table:
            if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
                raise CardError(f"{where}{name}: missing")
            continue
        values[name] = _value(str(item.type), table[name], f"{where}{name}")
    return kind(**values)


def _value(kind: str, value: Any, where: str) -> Any:
    """A JSON value as what the field holds."""
    if kind == "Channel":
        return _made(Channel, value, f"{where}.")
    if kind.startswith("tuple") and isinstance(value, list):
        inner = "Channel" if "Channel" in kind else "float"
        return tuple(_value(inner, one, where) for one in value)
    plain: Any = {"str": str, "float": (int, float)}.get(kind, dict)
    if not isinstance(value, plain) or isinstance(value, bool) or kind.startswith("tuple"):
        raise CardError(f"{where}: {value!r} is not what this field holds")
    if kind == "float" and not abs(value) <= sys.float_info.max:
        raise CardError(f"{where}: {value!r} is no finite number")
    return float(value) if kind == "float" else value


def _refuse_channel(where: str, channel: Channel, unit: str) -> None:
    if channel.unit != unit:
        raise CardError(f"{where}.unit: {channel.name} is in {unit!r}, not in {channel.unit!r}")
    if not abs(channel.mean) < math.inf:
        raise CardError(f"{where}.mean: that of {channel.name} is {channel.mean}; it must be finite")
    if not 0 < channel.sd < math.inf:
        raise CardError(f"{where}.sd: that of {channel.name} is {channel.sd}; it must be above 0 and finite")


def _one_of(where: str, name: str, known: Any) -> None:
    if name not in known:
        raise CardError(f"{where}: {name!r} is not one of {', '.join(known)}")
