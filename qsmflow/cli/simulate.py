"""``qsmflow simulate``: a BIDS dataset with its truth."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import get_args, get_type_hints

from qsmflow.cli.options import add_setting, given
from qsmflow.cli.progress import say
from qsmflow.config import Simulate
from qsmflow.settings import from_table

_EPILOG = """\
The first orientation is straight unless --angles says otherwise; the scanner and its grid stay, the head turns: first
about x (pitch), then about y (roll), then about z (yaw). Angles that begin with a minus go into one quoted text with
others: --angles "0,0,0 -15,0,10 20,0,0". The truth is written to OUT/derivatives/truth.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "simulate",
        help="make a BIDS dataset with known susceptibility",
        description="A valid BIDS dataset of multi-echo gradient-echo magnitude and phase of a simulated head, "
        "with its true susceptibility, fields and head positions as a derivative.",
        epilog=_EPILOG,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the dataset, new or empty")
    hints = get_type_hints(Simulate)
    for item in dataclasses.fields(Simulate):
        flag = f"--{item.name.replace('_', '-')}"
        if not isinstance(item.default, tuple):
            add_setting(parser, [flag], Simulate, item.name)
            continue
        kind = get_args(hints[item.name])[0]
        shown = " ".join(str(value) for value in item.default)
        parser.add_argument(
            flag,
            dest=f".{item.name}",
            nargs="+",
            type=kind,
            metavar={float: "X", int: "N"}.get(kind, "P,R,Y"),
            help=item.metadata["doc"] + (f" (default: {shown})" if shown else ""),
        )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Simulate; returns 0 and raises `UsageError` or `InputError` on what cannot be simulated."""
    settings = from_table(Simulate, given(args))

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from qsmflow.phantom.dataset import simulate_dataset

    console = Console(stderr=True)
    told = ""

    def show(what: str, part: float) -> None:
        nonlocal told
        bar.update(task, description=what, advance=part)
        if what != told and not console.is_terminal:
            say(what)
        told = what

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("making the head", total=1.0)
        truth = simulate_dataset(args.out, settings, progress=show)
    say(f"dataset {args.out}, truth {truth}")
    return 0
