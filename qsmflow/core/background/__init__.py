"""Removal of the background field: what sources outside the brain add to the field inside."""

from .vsharp import vsharp

__all__ = ["vsharp"]
