"""SI-QSM: a scale-invariant network of residual and composed blocks with two branches, one of them for the mask."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from .initial import give_nothing, keep_scale
from .levels import Ladder
from .sizes import MOST_CHANNELS, MOST_ENDS, refuse_parameter

_SLOPE = 0.3


class _Same(nn.Conv3d):
    """Strided convolution whose zeros go to the end first: at stride 2 and kernel 3 none before, one after."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(functional.pad(input, (0, 1) * 3))


class Residual(nn.Module):
    """Convolution 3 to n channels, LeakyReLU, convolution 1 to n/2; its input is joined; batch normalisation."""

    def __init__(self, inputs: int, width: int, normalised: bool):
        super().__init__()
        self.wide = nn.Conv3d(inputs, width, 3, padding=1)
        self.narrow = nn.Conv3d(width, width // 2, 1)
        self.outputs = width // 2 + inputs
        self.norm = _norm(self.outputs, normalised)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, `inputs`, X, Y, Z) to (N, `outputs`, X, Y, Z)."""
        made = self.narrow(functional.leaky_relu(self.wide(x), _SLOPE))
        return self.norm(torch.cat([made, x], 1))


class Composed(nn.Module):
    """Halves the size by two branches, joined and batch normalised; every convolution is followed by LeakyReLU.

    Near: convolution 3 of stride 2 to n channels, convolution 1 to n/2. Far: convolution 3 of dilation 2 to n/2,
    convolution 1 to n/4, convolution 3 of stride 2 to n/2, convolution 1 to n/4.
    """

    def __init__(self, inputs: int, width: int, normalised: bool):
        super().__init__()
        half, quarter = width // 2, width // 4
        self.near = nn.Sequential(_Same(inputs, width, 3, 2), _leaky(), nn.Conv3d(width, half, 1), _leaky())
        self.far = nn.Sequential(
            nn.Conv3d(inputs, half, 3, padding=2, dilation=2),
            _leaky(),
            nn.Conv3d(half, quarter, 1),
            _leaky(),
            _Same(quarter, half, 3, 2),
            _leaky(),
            nn.Conv3d(half, quarter, 1),
            _leaky(),
        )
        self.outputs = half + quarter
        self.norm = _norm(self.outputs, normalised)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, `inputs`, X, Y, Z), even sizes, to (N, `outputs`, X/2, Y/2, Z/2)."""
        return self.norm(torch.cat([self.near(x), self.far(x)], 1))


class SIQSM(Ladder):
    """SI-QSM, 23,354,275 parameters at the width of the paper.

    Layer by layer, with blocks `Residual` and `Composed` of the named widths:

    1. Field and mask, the last channel, each go through two residual blocks of 32, and are joined.
    2. Composed 64, residual 64; composed 128, residual 128; composed 256, residual 256; composed 512.
    3. Four times: transposed convolution of kernel 3 and stride 2 to 256 (128, 64, 32) channels, without activation;
       concatenation [skip, up]; residual block of as many channels. The last skip is that of the field's branch.
    4. Convolution 3 to 16, LeakyReLU, convolution 1 to 8, LeakyReLU, convolution 3 to 8, LeakyReLU, batch
       normalisation, convolution 1 to one channel.

    LeakyReLU has slope 0.3 throughout. The two branches at the start are those of the authors' code.

    Parameters
    ----------
    width
        Of the first block, 4 to 128; the others scale with it.
    inputs
        Channels, 2 or more: what stands before the mask goes through the branch of the field.
    normalised
        Batch normalisation after every block. It takes from a batch how strong its scenes are, which statistics over
        many of them bring back only if all are alike.
    residual
        The first channel, a map then, is added to the output.

    Raises
    ------
    ValueError
        One of them is not of that range.

    References
    ----------
    Larrain, SI-QSM, thesis, 2022.
    """

    dims, levels = 3, 4
    # down: two blocks, a dilated and a strided convolution whose zeros are at the end, a block at half the size;
    # up: the transposed convolution, a block, and the two convolutions of the head
    halo = (8, 6)

    def __init__(self, *, width: int = 32, inputs: int = 2, normalised: bool = True, residual: bool = False):
        super().__init__()
        refuse_parameter("width", width, 4, MOST_CHANNELS // 16)
        refuse_parameter("inputs", inputs, 2, MOST_ENDS)
        self.width, self.inputs, self.residual = width, inputs, residual
        self.field, self.mask = _branch(inputs - 1, width, normalised), _branch(1, width, normalised)
        added = 2 * (width // 2)  # by the two blocks of a branch to its inputs
        skips = [inputs - 1 + added]
        channels = skips[0] + 1 + added
        self._carried = [inputs]
        self.down = nn.ModuleList()
        for factor in (2, 4, 8):
            composed = Composed(channels, factor * width, normalised)
            block = Residual(composed.outputs, factor * width, normalised)
            self.down.append(nn.Sequential(composed, block))
            channels = block.outputs
            skips.append(channels)
            self._carried.append(channels)
        self.bottom = Composed(channels, 16 * width, normalised)
        channels = self.bottom.outputs
        self._carried.append(channels)
        self._made = [channels]
        self.grow, self.up = nn.ModuleList(), nn.ModuleList()
        for factor in (8, 4, 2, 1):
            self.grow.append(nn.ConvTranspose3d(channels, factor * width, 3, stride=2, padding=1, output_padding=1))
            self.up.append(block := Residual(skips.pop() + factor * width, factor * width, normalised))
            channels = block.outputs
            self._made.insert(0, channels)
        half, quarter = width // 2, width // 4
        self.head = nn.Sequential(
            nn.Conv3d(channels, half, 3, padding=1),
            _leaky(),
            nn.Conv3d(half, quarter, 1),
            _leaky(),
            nn.Conv3d(quarter, quarter, 3, padding=1),
            _leaky(),
            _norm(quarter, normalised),
            nn.Conv3d(quarter, 1, 1),
        )
        if not normalised:  # nothing else keeps the scale from layer to layer
            keep_scale(self, _SLOPE)
        if residual:
            give_nothing(self.head[-1])

    def carried(self, level: int) -> int:
        """Channels of what comes to `level` from above."""
        return self._carried[level]

    def made(self, level: int) -> int:
        """Channels of what comes up from `level`."""
        return self._made[level]

    def busy(self, level: int) -> int:
        """Channels held at once: [skip, up] joined, and the block that follows."""
        return 14 * self.width * 2**level

    def skip(self, level: int, x: torch.Tensor) -> torch.Tensor:
        """The field's branch at the top, and the features themselves below."""
        return x if level else self.field(x[:, :-1])

    def descend(self, level: int, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """A composed block, and but for the last a residual one."""
        if level == self.levels - 1:
            return self.bottom(x)
        return self.down[level](x if level else torch.cat([skip, self.mask(x[:, -1:])], 1))

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        """Nothing: the last composed block is the bottom."""
        return x

    def ascend(self, level: int, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Transposed convolution, and a residual block of [skip, up]."""
        step = self.levels - 1 - level
        return self.up[step](torch.cat([skip, self.grow[step](x)], 1))

    def finish(self, x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """The head; of a residual network added to its input."""
        return self.added(self.head(x), given)


def _branch(inputs: int, width: int, normalised: bool) -> nn.Sequential:
    """Two residual blocks."""
    first = Residual(inputs, width, normalised)
    return nn.Sequential(first, Residual(first.outputs, width, normalised))


def _norm(channels: int, normalised: bool) -> nn.Module:
    return nn.BatchNorm3d(channels, eps=1e-3, momentum=0.01) if normalised else nn.Identity()


def _leaky() -> nn.LeakyReLU:
    return nn.LeakyReLU(_SLOPE)
