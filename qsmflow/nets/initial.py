"""Weights to begin a training with, where no normalisation keeps the scale from layer to layer."""

from __future__ import annotations

from torch import nn

_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def keep_scale(part: nn.Module, slope: float = 0.0) -> None:
    """Draw the weights of every convolution in `part` so that what follows is as strong as what came.

    Parameters
    ----------
    slope
        Of the leaky ReLU that follows; 0 for a ReLU.

    References
    ----------
    He et al., ICCV 2015.
    """
    for layer in part.modules():
        if isinstance(layer, _CONVOLUTIONS):
            if not layer.weight.is_meta:  # for no numbers at all torch would load its compiler, which takes seconds
                nn.init.kaiming_normal_(layer.weight, a=slope)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def give_nothing(layer: nn.Module) -> None:
    """Let `layer` give zero, so that a residual network begins with the map that it is given."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
