"""Trained networks: a safetensors file and its card, in the package or of the user."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from qsmflow.config import NETWORKS, Config

from .card import Card, CardError, read
from .levels import Ladder

T = TypeVar("T")
#: Where the weights of the package are.
FOLDER = Path(__file__).parents[1] / "data" / "weights"
SUFFIX = ".safetensors"


def names() -> list[str]:
    """Names of the weights in the package."""
    return sorted(path.name.removesuffix(SUFFIX) for path in FOLDER.glob(f"*{SUFFIX}"))


def find(weights: str | Path) -> Path:
    """The weight file of a name in the package, or of a path.

    Raises
    ------
    CardError
        There is neither such a name nor such a file.
    """
    path = Path(weights)
    if path.suffix == SUFFIX:
        if not path.is_file():
            raise CardError(f"{path}: no such file; give the path of a {SUFFIX} file with its card beside it")
        return path.absolute()
    if str(weights) not in names():
        known = ", ".join(names()) or "none"
        raise CardError(
            f"weights {weights}: not in this package (there: {known}); give the path of a {SUFFIX} file "
            "with its card beside it"
        )
    return FOLDER / f"{weights}{SUFFIX}"


def several(text: str) -> list[str]:
    """The names and paths of a setting, which stand between commas."""
    return [one.strip() for one in text.split(",") if one.strip()]


def absolute(text: str) -> str:
    """The same weights as `several` finds in `text`, from any folder: names as they are, paths absolute."""
    return ",".join(str(Path(one).absolute()) if Path(one).suffix == SUFFIX else one for one in several(text))


def check(text: str, output: str) -> None:
    """Raise `CardError` unless all weights of a setting are there, intact, and give `output` (``chi``, ``field``)."""
    for one in several(text) or [""]:
        path = find(one)
        card = verify(path)
        if card.output.name != output:
            raise CardError(f"{path}: output is {card.output.name}, where {output} is needed; give other weights")


def check_settings(settings: Config) -> None:
    """`check` for every network that a run uses."""
    for name in settings.inversion:
        if name in NETWORKS:
            _told(name, getattr(settings, name).weights, "chi")
    if settings.denoise == "network":
        _told("denoiser", settings.denoiser.weights, "field")


def with_absolute_weights(settings: Config) -> Config:
    """`settings` that name the same weights from any folder."""
    tables = {name: getattr(settings, name) for name in (*NETWORKS, "denoiser")}
    found = {name: dataclasses.replace(one, weights=absolute(one.weights)) for name, one in tables.items()}
    return dataclasses.replace(settings, **found)


def _told(name: str, text: str, output: str) -> None:
    try:
        check(text, output)
    except CardError as error:
        raise CardError(f"--{name.replace('_', '-')}-weights: {error}") from error


def card_path(weights: Path) -> Path:
    """The card beside a weight file."""
    return weights.with_suffix(".json")


def save(network: Ladder, card: Card, path: Path, *, half: bool = True) -> Card:
    """Write weights and card.

    Parameters
    ----------
    network
        What `card` describes.
    card
        Its ``sha256`` is set here.
    path
        Of the weight file, ``.safetensors``; the card goes beside it, as ``.json``.
    half
        Weights of convolutions as float16: half the file. Biases and normalisations, whose range is wide, stay
        float32.

    Returns
    -------
    Card
        As written.

    Raises
    ------
    CardError
        The name has another ending, the network is not what the card says, a weight is not finite in that form, or
        the disk is full.
    """
    if path.suffix != SUFFIX:
        raise CardError(f"{path}: the name of a weight file ends in {SUFFIX}")
    tensors = {}
    for name, value in network.state_dict().items():
        value = value.detach().cpu().contiguous()
        tensors[name] = value.half() if half and value.ndim > 1 else value
        if not bool(torch.isfinite(tensors[name]).all()):
            raise CardError(f"{path}: {name} holds numbers that are not finite{' as float16' if half else ''}")
    fill(card.build(), tensors, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # under other names first: whoever is stopped here leaves whole files
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished_card = card_path(path).with_name(f"{card_path(path).name}.{os.getpid()}")
    try:
        save_file(tensors, unfinished)
    except SafetensorError as error:
        unfinished.unlink(missing_ok=True)
        raise CardError(f"{path}: cannot be written ({error}); free space, or take another folder") from error
    written = dataclasses.replace(card, sha256=digest(unfinished))
    written.write(unfinished_card)
    unfinished.replace(path)
    unfinished_card.replace(card_path(path))
    return written


def load(weights: str | Path) -> tuple[Ladder, Card]:
    """A network, in evaluation mode and float32 on the CPU, and its card.

    Parameters
    ----------
    weights
        A name in the package, or the path of a ``.safetensors`` file with its card beside it.

    Raises
    ------
    CardError
        There is no such file, its card cannot be used, or the two do not belong together.
    """
    path = find(weights)
    card = verify(path)
    network = card.build()
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise CardError(f"{path}: not a readable safetensors file ({error})") from error
    fill(network, tensors, path)
    return network.eval().requires_grad_(False), card


def verify(path: Path) -> Card:
    """The card of a weight file, if its sha256 is that of the file; else `CardError`."""
    card = read(card_path(path))
    if card.sha256 != digest(path):
        raise CardError(f"{path}: its sha256 is not that of {card_path(path).name}; copy both again")
    return card


def digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def while_unchanged(function: Callable[[Path], T]) -> Callable[[Path], T]:
    """`function` of a file, called again only where the file's size or time of change is another; for large graphs."""

    @functools.lru_cache
    def called(path: Path, size: int, changed: int) -> T:
        return function(path)

    def ask(path: Path) -> T:
        stat = path.stat()
        return called(path, stat.st_size, stat.st_mtime_ns)

    return ask


def without_prefix(network: Ladder, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """`tensors` by the names of `network` where all have one prefix, as a module that holds it gives; else as they are.

    That of a Lightning module is the name it gives to the network, that of training on several devices ``module.``.
    """
    own = network.state_dict().keys()
    first = next(iter(own))
    for prefix in [name.removesuffix(first) for name in tensors if name.endswith(first)]:
        if tensors.keys() == {f"{prefix}{name}" for name in own}:
            return {name: tensors[f"{prefix}{name}"] for name in own}
    return tensors


def fill(network: Ladder, tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Put `tensors` into `network`; `CardError` names the first of `path` that is missing, or of another shape."""
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in sorted(own.keys() | given.keys()):
        if own.get(name) != given.get(name):
            raise CardError(f"{path}: {name} is {given.get(name)}, but {own.get(name)} in the network of the card")
    network.load_state_dict(tensors)
