"""Every stage by its name."""

from __future__ import annotations

from importlib import import_module

from .base import StageInterface

#: Modules that define stages, in the order of the pipeline.
MODULES = ("kspace", "scale_phase", "mask", "unwrap", "field", "relaxation", "background", "inversion", "iterative") + (
    "network",
    "registration",
    "atlas",
    "cores",
    "b0",
    "cosmos",
    "derivatives",
)


def stages() -> dict[str, type[StageInterface]]:
    """The interface of each stage, by the name that it has everywhere."""
    found: dict[str, type[StageInterface]] = {}
    for module in MODULES:
        for item in vars(import_module(f"qsmflow.interfaces.{module}")).values():
            if isinstance(item, type) and issubclass(item, StageInterface) and hasattr(item, "stage"):
                found.setdefault(item.stage, item)
    return found
