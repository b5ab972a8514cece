"""The grammar of BIDS file names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from qsmflow.bids.naming import ENTITY_ORDER, join_entities

_NAME = re.compile(r"((?:[a-zA-Z]+-[a-zA-Z0-9+]+_)*)([a-zA-Z0-9]+)((?:\.[a-zA-Z0-9]+)+)")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class FileName:
    """``key-value_..._suffix.extension``, taken apart; `extension` begins with its dot."""

    entities: dict[str, str]
    suffix: str
    extension: str


def parse_name(name: str) -> FileName | None:
    """Take a file name apart; None for a name that is not of BIDS (or says an entity twice)."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    pairs = _pairs(match[1])
    entities = dict(pairs)
    if len(entities) != len(pairs):
        return None
    return FileName(entities, match[2], match[3])


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which ``ori2`` comes before ``ori10``, and numbers before letters."""
    pieces = (piece for piece in _DIGITS.split(text) if piece)
    return tuple((0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces)


def in_order(entities: Mapping[str, str]) -> dict[str, str]:
    """The same entities in the order in which BIDS writes them."""
    return dict(_pairs(join_entities(entities)))


def _pairs(text: str) -> list[tuple[str, str]]:
    """``acq-a_run-1`` as pairs of key and value."""
    cut = (pair.partition("-") for pair in text.split("_") if pair)
    return [(key, value) for key, _, value in cut]


def known_entity(key: str) -> bool:
    """Whether BIDS has an entity `key` (``acq``, ``run``, ...)."""
    return key in ENTITY_ORDER
