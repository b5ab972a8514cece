"""Networks for QSM: their definitions, their weights, and maps by them."""

from .card import Card
from .channels import Channel, Scan
from .packed import PackedUNet
from .predict import BeyondRangeError, Prediction, infer, predict
from .siqsm import SIQSM
from .unet import DeepQSM, Denoiser, QSMnet, UNet

__all__ = [
    "SIQSM",
    "BeyondRangeError",
    "Card",
    "Channel",
    "DeepQSM",
    "Denoiser",
    "PackedUNet",
    "Prediction",
    "QSMnet",
    "Scan",
    "UNet",
    "infer",
    "predict",
]
