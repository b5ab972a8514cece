"""A card of a network that is small enough for tests."""

from __future__ import annotations

from qsmflow.nets import Card, Channel

TINY = Card(
    name="tiny",
    network="QSMnet",
    parameters={"width": 2, "kernel": 3},
    inputs=(Channel("field", "ppm", 0.0, 0.05),),
    output=Channel("chi", "ppm", 0.0, 0.1),
    largest=1.0,
)
