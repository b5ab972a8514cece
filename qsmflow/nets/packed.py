"""A U-Net over blocks of voxels: a volume in an eighth of the work."""

from __future__ import annotations

import torch

from .initial import give_nothing
from .sizes import refuse_parameter
from .unet import UNet, reach_of


class PackedUNet(UNet):
    """A U-Net that sees each block of 2 x 2 x 2 voxels as one voxel of eight times the channels.

    Layer by layer:

    1. The voxels of each block become channels: 8 times `inputs` of them at half the size.
    2. A `UNet` of `width` channels and `levels` halvings without normalisation, whose last convolution gives eight
       channels.
    3. These become the voxels of each block again; with `residual` the first input channel is added.

    Most of what a U-Net computes it computes at full size, where one convolution follows another with few channels. To
    correct a map that is nearly right, as an inversion gives it, that is not needed, and the head starts at zero, so
    that training starts from that map.

    Parameters
    ----------
    inputs
        Channels, 1 to 64; the first is what is corrected.
    width, levels, kernel, activation, residual
        As of `UNet`.

    Raises
    ------
    ValueError
        A parameter is outside what is said above.

    References
    ----------
    Shi et al., CVPR 2016 (blocks as channels).
    """

    def __init__(
        self,
        *,
        inputs: int = 1,
        width: int = 48,
        levels: int = 2,
        kernel: int = 3,
        activation: str = "leaky_relu",
        residual: bool = True,
    ):
        refuse_parameter("inputs", inputs, 1, 64)
        super().__init__(
            inputs=8 * inputs,
            outputs=8,
            width=width,
            levels=levels,
            kernel=kernel,
            activation=activation,
            normalised=False,
        )
        self.inputs, self.levels, self.residual = inputs, levels + 1, residual
        give_nothing(self.head)

    @property
    def reach(self) -> int:
        """Voxels beyond which the input of one voxel does not change the output, along an axis."""
        return 2 * reach_of(self.levels - 1, self.kernel) + 1

    def carried(self, level: int) -> int:
        """Channels of what comes to `level` from above."""
        return {0: self.inputs, 1: 8 * self.inputs}.get(level) or super().carried(level - 1)

    def made(self, level: int) -> int:
        """Channels of what comes up from `level`."""
        return super().made(level - 1) if level else 1

    def busy(self, level: int) -> int:
        """Channels held at once; the top only packs and unpacks."""
        return super().busy(level - 1) if level else 2 * self.inputs + 4

    def skip(self, level: int, x: torch.Tensor) -> torch.Tensor:
        """Nothing at the top, two convolutions below."""
        return super().skip(level - 1, x) if level else x[:, :0]

    def descend(self, level: int, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Blocks to channels at the top, maximum pooling below."""
        return super().descend(level - 1, x, skip) if level else pack(x)

    def ascend(self, level: int, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The last convolution and channels to blocks at the top, the steps of `UNet` below."""
        if level:
            return super().ascend(level - 1, skip, x)
        return unpack(self.head(x.to(next(self.head.parameters()).dtype)))

    def finish(self, x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Add the first input channel."""
        return self.added(x, given)


def pack(x: torch.Tensor) -> torch.Tensor:
    """(N, C, X, Y, Z) to (N, 8 C, X/2, Y/2, Z/2): each block of 2 x 2 x 2 voxels becomes channels."""
    return _split(x).permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def unpack(x: torch.Tensor) -> torch.Tensor:
    """Undo `pack`."""
    blocks = x.unflatten(1, (-1, 2, 2, 2)).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return blocks.flatten(6, 7).flatten(4, 5).flatten(2, 3)


def _split(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(4, (-1, 2)).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
