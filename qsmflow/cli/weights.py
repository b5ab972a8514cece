"""``qsmflow weights {list,info,import,verify}``: the trained networks of the package and of the user."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_ONE = "a name in the package, or a .safetensors file with its card beside it"


def add_parser(subparsers: Any) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "weights",
        help="trained networks: which there are, what they are, whether they are intact",
        description="Trained networks of the package and of the user: a .safetensors file with its card beside it.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    actions.add_parser("list", help="the networks in the package").set_defaults(func=_list)
    info = actions.add_parser("info", help="the card of a network")
    info.add_argument("weights", metavar="WEIGHTS", help=_ONE)
    info.set_defaults(func=_info)
    taken = actions.add_parser("import", help="weights of a training run as a weight file with its card")
    taken.add_argument(
        "state", type=Path, metavar="STATE", help="state dict, or a checkpoint with one, written by torch.save"
    )
    taken.add_argument("card", type=Path, metavar="CARD", help="card of the network, JSON; its sha256 is filled in")
    taken.add_argument("out", type=Path, metavar="OUT", help="the .safetensors file to write; its card goes beside it")
    taken.add_argument("--full", action="store_true", help="keep float32 (default: float16, half the size)")
    taken.set_defaults(func=_import)
    verify = actions.add_parser("verify", help="check files against the sha256 of their cards, and that they load")
    verify.add_argument("weights", nargs="*", metavar="WEIGHTS", help=f"{_ONE} (default: all in the package)")
    verify.set_defaults(func=_verify)


def _list(args: argparse.Namespace) -> int:
    from qsmflow.nets import weights
    from qsmflow.nets.card import read

    for name in weights.names():
        path = weights.find(name)
        card = read(weights.card_path(path))
        size = path.stat().st_size / 1e6
        channels = " + ".join(channel.name for channel in card.inputs)
        print(f"{name:16s} {card.network:10s} {channels} -> {card.output.name}, {size:.1f} MB, {card.licence}")
    if not weights.names():
        print(f"no weights in the package; a stage takes the path of a {weights.SUFFIX} file as well")
    return 0


def _info(args: argparse.Namespace) -> int:
    from qsmflow.nets import weights
    from qsmflow.nets.card import read

    path = weights.card_path(weights.find(args.weights))
    read(path)
    print(path.read_text(encoding="utf-8"), end="")
    return 0


def _import(args: argparse.Namespace) -> int:
    import torch

    from qsmflow.errors import InputError
    from qsmflow.nets import weights
    from qsmflow.nets.card import read

    card = read(args.card)
    network = card.build()
    try:
        state = torch.load(args.state, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{args.state}: no such file") from error
    except Exception as error:  # what torch raises for a file of another kind is of no one class
        raise InputError(f"{args.state}: not a state dict written by torch.save") from error
    if isinstance(state, dict):
        state = state.get("state_dict", state)
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(f"{args.state}: not a state dict; give names and tensors, as network.state_dict() has them")
    weights.fill(network, weights.without_prefix(network, state), args.state)
    try:
        written = weights.save(network, card, args.out, half=not args.full)
    except OSError as error:
        raise InputError(f"{args.out}: cannot be written ({error.strerror})") from error
    print(f"{args.out}\t{written.sha256}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from qsmflow.nets import weights

    names = args.weights or weights.names()
    if not names:
        print("no weights in the package; give the path of a file")
    for name in names:
        _, card = weights.load(name)
        print(f"{name}\t{card.sha256}\tintact")
    return 0
