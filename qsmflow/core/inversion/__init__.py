"""From the local field to susceptibility."""

from .choice import Choice, choose_weight
from .cosmos import condition, cosmos, cosmos_kspace, orientation_noise
from .ilsqr import ilsqr
from .l2 import l2
from .medi import medi
from .ndi import ndi
from .rts import rts
from .structure import structure
from .tgv import tgv
from .tkd import tkd
from .tsvd import tsvd
from .tv import tv
from .twopass import two_pass
from .whtv import whtv

__all__ = [
    "Choice",
    "choose_weight",
    "condition",
    "cosmos",
    "cosmos_kspace",
    "ilsqr",
    "l2",
    "medi",
    "ndi",
    "orientation_noise",
    "rts",
    "structure",
    "tgv",
    "tkd",
    "tsvd",
    "tv",
    "two_pass",
    "whtv",
]
