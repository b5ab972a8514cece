"""From the local field to susceptibility."""

from .choice import Choice, choose_weight
from .cosmos import condition, cosmos, cosmos_kspace, orientation_noise
from .ilsqr import ilsqr
from .l2 import l2
from .medi import medi
from .tkd import tkd
from .twopass import two_pass

__all__ = [
    "Choice",
    "choose_weight",
    "condition",
    "cosmos",
    "cosmos_kspace",
    "ilsqr",
    "l2",
    "medi",
    "orientation_noise",
    "tkd",
    "two_pass",
]
