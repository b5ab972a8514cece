"""Command-line flags made from settings classes."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence
from typing import Any, get_type_hints

from qsmflow.settings import Settings


def shield_negatives(words: Sequence[str]) -> list[str]:
    """Put a blank before words that begin with a negative number, such as ``-1e-3`` and ``-0.1,0,1``.

    argparse takes what begins with a minus for a flag unless it is a plain number, and no flag begins with a digit;
    numbers are read with the blank.
    """
    return [f" {word}" if re.match(r"-[\d.]", word) else word for word in words]


def add_setting(
    parser: argparse._ActionsContainer,
    flags: Sequence[str],
    group: type[Settings],
    name: str,
    table: str = "",
    *,
    alone: str | None = None,
) -> None:
    """Add `flags`, one and its other names, for the field `name` of `group`, with its meaning, choices and default.

    Unset stays None. `table` is the TOML table in which the field stands, by which `given` finds it again; `alone` is
    what the flag without a value says, where it may go without.
    """
    item = next(item for item in dataclasses.fields(group) if item.name == name)
    hint = get_type_hints(group)[name]
    options: dict[str, Any] = {"default": None, "dest": f"{table}.{name}"}
    help_text = item.metadata["doc"]
    if item.default is not dataclasses.MISSING:
        shown = " ".join(item.default) if isinstance(item.default, tuple) else item.default
        help_text += f" (default: {shown})"
    options["help"] = help_text.replace("%", "%%")
    if hint is bool:
        parser.add_argument(*flags, action=argparse.BooleanOptionalAction, **options)
        return
    if item.metadata["choices"]:
        options["choices"] = item.metadata["choices"]
    if isinstance(item.default, tuple):
        options["nargs"] = "+"
        options["type"] = type(item.default[0]) if item.default else str
    else:
        options["type"] = hint
        options["metavar"] = None if item.metadata["choices"] else name.upper()
    if alone is not None:
        options |= {"nargs": "?", "const": alone}
        options["help"] += f"; without a value: {alone}"
    parser.add_argument(*flags, **options)


def given(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line set of all flags that `add_setting` added, as the nested table of a TOML file."""
    tables: dict[str, Any] = {}
    for key, value in vars(args).items():
        if "." not in key or value is None:
            continue
        table, name = key.split(".")
        place = tables.setdefault(table, {}) if table else tables
        place[name] = tuple(value) if isinstance(value, list) else value
    return tables
