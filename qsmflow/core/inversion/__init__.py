"""From the local field to susceptibility."""

from .cosmos import condition, cosmos, cosmos_kspace
from .l2 import l2
from .medi import medi
from .tkd import tkd

__all__ = ["condition", "cosmos", "cosmos_kspace", "l2", "medi", "tkd"]
