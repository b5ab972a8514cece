"""``qsmflow validate BIDS``: what would be run, and every reason why something would not."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qsmflow.config import BACKGROUNDS

from .selection import add_selection_arguments, selection_from
from .settings import add_settings_arguments, settings_from

if TYPE_CHECKING:
    from rich.tree import Tree

    from qsmflow.bids.problems import Problem
    from qsmflow.bids.series import Head, Series
    from qsmflow.config import Config

_THREADS = 8


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the verb."""
    parser = subparsers.add_parser(
        "validate",
        help="what would be run, and what would not and why",
        description="Look at a BIDS dataset and say what would be run for each subject, and every reason why something "
        "would not. Nothing is computed or written. Exit code: 0 all can be used, 1 some subject cannot, 2 bad usage.",
    )
    parser.add_argument("bids_dir", type=Path, metavar="BIDS", help="the BIDS dataset")
    add_selection_arguments(parser)
    parser.add_argument(
        "--headers-only", action="store_true", help="do not read the voxels: quick, but misses bad values"
    )
    add_settings_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Look and print; returns 0 or 1 and raises `InputError` or `UsageError` for what stops everything."""
    from qsmflow.bids.checks import check_layout
    from qsmflow.bids.discovery import discover
    from qsmflow.nets.weights import check_settings

    config = settings_from(args)
    check_settings(config)
    selection = selection_from(args)
    check_layout(args.bids_dir, participants=selection.participants)
    discovery = discover(
        args.bids_dir,
        participants=selection.participants,
        sessions=selection.sessions,
        orientation_entity=config.orientation_entity,
        derivatives=selection.derivatives,
        filters=selection.filters,
    )
    problems = list(discovery.problems)
    lines: dict[str, list[Line]] = {}
    for head, found in _checked(discovery.heads, config, voxels=not args.headers_only):
        problems += found
        if not any(problem.stops for problem in found):
            lines.setdefault(head.entities["sub"], []).append(_describe(head, config))
    for problem in problems:
        mark = "CANNOT BE USED" if problem.stops else "note"
        lines.setdefault(problem.subject, []).append(Line(f"{mark}: {problem}", bad=problem.stops))
    _print(lines)
    bad = {problem.subject for problem in problems if problem.stops}
    voxels = "headers only" if args.headers_only else "headers and voxels"
    print(f"{len(lines) - len(bad)} of {len(lines)} subjects can be used ({voxels} checked)")
    return 1 if bad else 0


@dataclass
class Line:
    """A line of the output, and those below it."""

    text: str
    below: list[Line] = field(default_factory=list)
    bad: bool = False


def _checked(heads: Sequence[Head], config: Config, *, voxels: bool) -> Iterator[tuple[Head, list[Problem]]]:
    """Check head by head, with a bar on a terminal."""
    import os

    from rich.console import Console
    from rich.progress import track

    from qsmflow.bids.checks import check_head

    console = Console(stderr=True)
    threads = min(_THREADS, os.cpu_count() or 1)
    for head in track(heads, "checking", console=console, disable=not console.is_terminal, transient=True):
        yield head, check_head(head, config, voxels=voxels, threads=threads)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _describe(head: Head, config: Config) -> Line:
    count = len(head.series)
    title = f"{head.name}: {count} orientations, reference {head.series[0].name}" if count > 1 else head.name
    below = [_describe_series(series, config) for series in head.series]
    if count > 1:
        cosmos = "cosmos (supplied)" if "cosmos" in head.series[0].supplied else "cosmos"
        below.append(Line(f"stages of the head: registration, {cosmos}, cosmos back in every orientation"))
    return Line(title, below)


def _describe_series(series: Series, config: Config) -> Line:
    import numpy as np
    from nibabel.affines import obliquity

    from qsmflow.bids.header import read_header

    header = read_header(series.files[0])
    angle = float(np.degrees(obliquity(header.affine)).max())
    grid = "x".join(str(n) for n in header.shape[:3])
    size = "x".join(f"{mm:.4g}" for mm in header.voxel_size)
    facts = [f"grid {grid}", f"voxels {size} mm", f"obliquity {angle:.1f} degrees"]
    if series.field_strength is not None:
        facts.insert(0, f"B0 {series.field_strength:g} T")
    if series.echo_times:
        times = "/".join(f"{1e3 * te:.4g}" for te in series.echo_times)
        facts.insert(0, f"{_count(len(series.echo_times), 'echo', 'echoes')}, TE {times} ms")
    if series.b0_dir is not None:
        facts.append("B0_dir from the sidecar")
    below = [Line(f"supplied {name}: {path}") for name, path in series.supplied.items()]
    below.append(Line(f"stages: {', '.join(_stages(series, config))}"))
    below += [Line(text) for text in _choices(config)]
    return Line(f"{series.name}: {', '.join(facts)}", below)


def _choices(config: Config) -> Iterator[str]:
    """What all inversions are told, where it is something."""
    if config.choose_weight != "none":
        weighted = [name for name in config.inversion if hasattr(getattr(config, name), "weight")]
        yield f"weight of {', '.join(weighted)}: chosen by {config.choose_weight}"
    if config.two_pass:
        yield f"two passes: sources stronger than {config.two_pass:g} ppm first"
    if config.reference != "none":
        yield f"reference: the mean is zero in {config.reference}"


def _stages(series: Series, config: Config) -> Iterator[str]:
    """The stages that one series goes through, from the last intermediate that is supplied."""
    if series.raw:
        yield "grappa"
    if series.has_coils:
        if config.coil_combine.method == "espirit":
            yield "espirit"
        yield "coil_combine"
    if series.has_phase:
        yield "scale_phase"
    elif series.magnitude:
        yield "combine_magnitude"
    if "mask" not in series.supplied:
        yield "brain_mask"
    if series.has_phase:
        if config.quality_mask.threshold > 0:
            yield "quality_mask"
        yield "unwrap"
        yield "field"
        if len(series.echo_times) > 1:
            yield "r2star"
    if "local" not in series.supplied:
        yield from BACKGROUNDS[config.background]
    if config.denoise == "network":
        yield "denoiser"
    yield from config.inversion


def _print(lines: dict[str, list[Line]]) -> None:
    """As a tree on a terminal, as indented lines into a pipe."""
    from rich.console import Console
    from rich.tree import Tree

    from qsmflow.bids.filenames import natural_key

    console = Console()
    for subject in sorted(lines, key=natural_key):
        if console.is_terminal:
            tree = Tree(f"sub-{subject}")
            _grow(tree, lines[subject])
            console.print(tree)
        else:
            print(f"sub-{subject}")
            _indent(lines[subject], "  ")


def _grow(tree: Tree, lines: Iterable[Line]) -> None:
    from rich.text import Text

    for line in lines:
        _grow(tree.add(Text(line.text, style="red" if line.bad else "")), line.below)


def _indent(lines: Iterable[Line], space: str) -> None:
    for line in lines:
        print(f"{space}{line.text}")
        _indent(line.below, f"{space}  ")
