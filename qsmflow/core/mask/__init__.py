"""Where the brain is."""

from .brain import brain_mask

__all__ = ["brain_mask"]
