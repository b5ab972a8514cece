"""The flags that choose what of a dataset is taken; shared by the verbs that read one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qsmflow.errors import UsageError


@dataclass(frozen=True)
class Selection:
    """What the user asked for; see `qsmflow.bids.discovery.discover`."""

    participants: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    derivatives: dict[str, Path] = field(default_factory=dict)
    filters: dict[str, Any] = field(default_factory=dict)


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags to `parser`; `selection_from` reads them."""
    group = parser.add_argument_group("selection")
    add_label_argument(group, "participant")
    add_label_argument(group, "session")
    group.add_argument(
        "--bids-filter-file",
        type=Path,
        metavar="JSON",
        help="entities that the series must have, by suffix in lower case",
    )
    group.add_argument(
        "-d",
        "--derivatives",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME=PATH",
        help="supplied mask, csf, reference, labels, total, local, cosmos: a derivative dataset or one series' file; "
        "atlas and its template: a file each, brought into every series",
    )
    group.add_argument(
        "--orientation-entity",
        metavar="ENTITY",
        help="entity that tells the orientations of a head apart (default: acq)",
    )


def add_label_argument(parser: argparse._ActionsContainer, level: str) -> None:
    """Add the flag that names the subjects (`level` ``participant``) or sessions to take."""
    parser.add_argument(
        f"--{level}-label",
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL",
        help=f"{'subjects' if level == 'participant' else 'sessions'} to take (default: all)",
    )


def selection_from(args: argparse.Namespace) -> Selection:
    """The selection in `args`; raises `UsageError` for a malformed flag and `InputError` for a bad filter file."""
    from qsmflow.bids.filters import read_filters

    if args.orientation_entity is not None:
        _check_entity(args.orientation_entity)
    return Selection(
        participants=_labels(args.participant_label, "sub-"),
        sessions=_labels(args.session_label, "ses-"),
        derivatives=_derivatives(args.derivatives),
        filters={} if args.bids_filter_file is None else read_filters(args.bids_filter_file),
    )


def _labels(given: Sequence[str], prefix: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.removeprefix(prefix) for label in given))


def _derivatives(given: Sequence[str]) -> dict[str, Path]:
    from qsmflow.bids.series import SUPPLIED

    found: dict[str, Path] = {}
    for text in given:
        name, sign, path = text.partition("=")
        if not (sign and path) or name not in SUPPLIED:
            raise UsageError(f"{text}: --derivatives: not NAME=PATH; take a NAME of {', '.join(SUPPLIED)}")
        if name in found:
            raise UsageError(f"{text}: --derivatives: {name} is given twice; keep one of the two")
        found[name] = Path(path)
    return found


def _check_entity(entity: str) -> None:
    from qsmflow.bids.filenames import known_entity

    if not known_entity(entity) or entity in ("sub", "ses", "echo", "part"):
        raise UsageError(
            f"{entity}: --orientation-entity: cannot tell orientations apart; take acq, run, dir or the like"
        )
