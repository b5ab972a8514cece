"""How numbers are said to a reader."""

from __future__ import annotations


def counted(number: int, one: str, many: str) -> str:
    """``1 node`` or ``2 nodes``."""
    return f"{number} {one if number == 1 else many}"
