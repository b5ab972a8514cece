"""Networks for QSM: their definitions."""

from .siqsm import SIQSM
from .unet import DeepQSM, Denoiser, QSMnet, UNet

__all__ = ["SIQSM", "DeepQSM", "Denoiser", "QSMnet", "UNet"]
