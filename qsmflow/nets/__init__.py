"""Networks for QSM: their definitions, their weights, and maps by them."""

from .card import Card
from .channels import Channel, Scan
from .predict import Prediction, infer, predict
from .siqsm import SIQSM
from .unet import DeepQSM, Denoiser, QSMnet, UNet

__all__ = [
    "SIQSM",
    "Card",
    "Channel",
    "DeepQSM",
    "Denoiser",
    "Prediction",
    "QSMnet",
    "Scan",
    "UNet",
    "infer",
    "predict",
]
