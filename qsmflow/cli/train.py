"""``qsmflow train``: weights from a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from qsmflow.cli.progress import say

_EPILOG = """\
A recipe is a TOML file, or the name of one of the package. What is finished is kept in the folder of the run: the same
command goes on where it stopped, with the result of a run that was never interrupted.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "train",
        help="train a network from a recipe; goes on where it stopped",
        description="Train a network: material, losses, optimiser and schedule are those of the recipe.",
        epilog=_EPILOG,
    )
    parser.add_argument("recipe", metavar="RECIPE", help="TOML file, or name of a recipe of the package")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="output of a `qsmflow run` with COSMOS, for recipes of kind cosmos"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: the recipe's name, here)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: %(default)s)")
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="how many on a node (default: %(default)s)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that make patches on the CPU; 0: on the device of the network (default: %(default)s)",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Train; returns 0 and raises `UsageError` or `InputError` on what cannot be trained."""
    from qsmflow.errors import UsageError

    for name in ("devices", "nodes"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name}: {getattr(args, name)} is below 1")
    if args.workers < 0:
        raise UsageError(f"--workers: {args.workers} is below 0")
    try:
        import lightning  # noqa: F401
    except ImportError as error:
        raise UsageError("train: needs Lightning, which is not installed: pip install 'qsmflow[train]'") from error

    from qsmflow.training.fit import is_first, train
    from qsmflow.training.recipe import read_recipe

    recipe = read_recipe(args.recipe, args.data)
    out = args.out or Path(recipe.name)
    weights = train(recipe, out, device=args.device, devices=args.devices, nodes=args.nodes, workers=args.workers)
    if is_first():
        say(f"weights {weights}, card {weights.with_suffix('.json')}, log {out / 'log'}")
    return 0
