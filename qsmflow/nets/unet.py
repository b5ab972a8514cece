"""The U-Net, and the networks of the literature that are one: QSMnet, QSMnet+, DeepQSM, denoisers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from .initial import keep_scale
from .levels import Ladder
from .sizes import MOST_CHANNELS, MOST_ENDS, refuse_parameter

_CONV: dict[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_UP: dict[int, Callable[..., nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORM: dict[int, Callable[..., nn.Module]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL: dict[int, Callable[..., nn.Module]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
_ACTIVATION: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.1, inplace=True),
}


class UNet(Ladder):
    """A U-Net in two or three dimensions.

    Layer by layer, with width w and kernel k:

    1. At each of `levels` levels two times [convolution k, batch normalisation, activation] to w channels (2w, 4w, ...
       further down), then maximum pooling by 2.
    2. At the bottom the same pair of convolutions to ``w 2**levels`` channels.
    3. Back up at each level: transposed convolution of kernel 2 and stride 2 that halves the channels, without
       normalisation or activation; concatenation [skip, up]; two times [convolution, normalisation, activation].
    4. Convolution of kernel 1 to `outputs` channels; with `residual` the first input channel is added.

    All convolutions pad with zeros to keep the size and have a bias.

    Parameters
    ----------
    dims
        2 or 3.
    inputs, outputs
        Channels, 1 to 512.
    width
        Channels of the first level; on the lowest, which has ``width 2**levels``, 2048 at most.
    levels
        How often the size is halved, 1 to 8.
    kernel
        Odd, 1 to 7.
    activation
        ``relu`` or ``leaky_relu`` (slope 0.1).
    residual
        The network computes what is added to the first input channel, and has one output.
    normalised
        Whether there is batch normalisation. Its statistics are those of the batch while it trains and an average of
        them later; where heads differ by more than a network can tell, as by strong lesions, that is another network.

    Raises
    ------
    ValueError
        A parameter is outside what is said above.

    References
    ----------
    Ronneberger et al., MICCAI 2015; Cicek et al., MICCAI 2016.
    """

    def __init__(
        self,
        *,
        dims: int = 3,
        inputs: int = 1,
        outputs: int = 1,
        width: int = 32,
        levels: int = 4,
        kernel: int = 3,
        activation: str = "relu",
        residual: bool = False,
        normalised: bool = True,
    ):
        super().__init__()
        for name, value, allowed in (("dims", dims, _CONV), ("activation", activation, _ACTIVATION)):
            if value not in [*allowed]:
                raise ValueError(f"{name}: {value!r} is not one of {', '.join(map(str, allowed))}")
        refuse_parameter("inputs", inputs, 1, MOST_ENDS)
        refuse_parameter("outputs", outputs, 1, 1 if residual else MOST_ENDS)
        refuse_parameter("levels", levels, 1, 8)
        refuse_parameter("width", width, 1, MOST_CHANNELS // 2**levels)
        refuse_parameter("kernel", kernel, 1, 7)
        if kernel % 2 == 0:
            raise ValueError(f"kernel: {kernel} is not odd")
        self.dims, self.levels, self.kernel, self.residual = dims, levels, kernel, residual
        self.inputs, self.width = inputs, width
        self.halo = (2 * (kernel // 2),) * 2
        widths = [width * 2**level for level in range(levels + 1)]

        def pair(first: int, last: int) -> nn.Sequential:
            layers: list[nn.Module] = []
            for channels in (first, last):
                layers.append(_CONV[dims](channels, last, kernel, padding=kernel // 2))
                if normalised:
                    layers.append(_NORM[dims](last, eps=1e-3, momentum=0.01))
                else:  # nothing else keeps the scale from layer to layer
                    keep_scale(layers[-1])
                layers.append(_ACTIVATION[activation]())
            return nn.Sequential(*layers)

        self.down = nn.ModuleList(
            pair(first, last) for first, last in zip([inputs, *widths[:-2]], widths[:-1], strict=True)
        )
        self.pool = _POOL[dims](2)
        self.bottom = pair(widths[-2], widths[-1])
        self.grow = nn.ModuleList(_UP[dims](2 * last, last, 2, stride=2) for last in widths[-2::-1])
        self.up = nn.ModuleList(pair(2 * last, last) for last in widths[-2::-1])
        self.head = _CONV[dims](width, outputs, 1)

    @property
    def reach(self) -> int:
        """Voxels beyond which the input of one voxel does not change the output, along an axis."""
        return reach_of(self.levels, self.kernel)

    def carried(self, level: int) -> int:
        """Channels of what comes to `level` from above."""
        return self.width * 2 ** (level - 1) if level else self.inputs

    def made(self, level: int) -> int:
        """Channels of what comes up from `level`."""
        return self.width * 2**level

    def busy(self, level: int) -> int:
        """Channels held at once: [skip, up] joined, its halves, two convolutions, and what is cut off."""
        return 7 * self.width * 2**level

    def skip(self, level: int, x: torch.Tensor) -> torch.Tensor:
        """Two convolutions."""
        return self.down[level](x)

    def descend(self, level: int, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Maximum pooling."""
        return self.pool(skip)

    def middle(self, x: torch.Tensor) -> torch.Tensor:
        """Two convolutions."""
        return self.bottom(x)

    def ascend(self, level: int, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Transposed convolution, and two convolutions of [skip, up]."""
        step = -1 - level
        return self.up[step](torch.cat([skip, self.grow[step](x)], 1))

    def finish(self, x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Convolution of kernel 1; of a residual network added to its input."""
        return self.added(self.head(x), given)


def reach_of(levels: int, kernel: int) -> int:
    """`UNet.reach`."""
    pairs = sum(2**level for level in range(levels))
    # two convolutions on the way down and two on the way up at every level, two at the bottom;
    # a pooled or grown voxel lies up to 2**levels - 1 fine voxels from where it came
    return 2 * (kernel // 2) * (2 * pairs + 2**levels) + 2**levels - 1


class QSMnet(UNet):
    """QSMnet: local field to susceptibility by a 3-D U-Net of four levels.

    The layers are those of `UNet`: 32/64/128/256/512 channels, 19 convolutions, 18 batch normalisations,
    99,453,985 parameters with kernel 5 and 22,581,217 with kernel 3. The paper has ReLU, the weights its authors
    published have LeakyReLU of slope 0.1. QSMnet+ is the same network, trained on scaled susceptibilities.

    Parameters
    ----------
    width, kernel, activation
        As of `UNet`; the defaults are the paper's.

    References
    ----------
    Yoon et al., NeuroImage 2018 (QSMnet); Jung et al., NeuroImage 2020 (QSMnet+).
    """

    def __init__(self, *, width: int = 32, kernel: int = 5, activation: str = "relu"):
        super().__init__(width=width, kernel=kernel, activation=activation)


class DeepQSM(UNet):
    """DeepQSM: local field to susceptibility by a smaller 3-D U-Net, trained on cubes and spheres.

    The layers are those of `UNet`: kernel 3, 16/32/64/128/256 channels.

    References
    ----------
    Bollmann et al., NeuroImage 2019.
    """

    def __init__(self, *, width: int = 16):
        super().__init__(width=width)


class Denoiser(UNet):
    """A U-Net that takes the noise out of a local field, in slices (2-D) or volumes (3-D).

    The layers are those of `UNet`; the network computes what is to be added to the field. With `noise_map` a second
    input channel holds the standard deviation of the noise at every voxel, and what is added is in units of it: a field
    without noise stays as it is.

    Parameters
    ----------
    dims
        2: the network sees one slice (N, C, X, Y); 3: a volume.
    width, levels
        As of `UNet`.
    noise_map
        Whether there is the second channel.
    normalised
        As of `UNet`.
    """

    def __init__(
        self, *, dims: int = 3, width: int = 32, levels: int = 4, noise_map: bool = True, normalised: bool = True
    ):
        inputs = 2 if noise_map else 1
        super().__init__(dims=dims, inputs=inputs, width=width, levels=levels, residual=True, normalised=normalised)
        self.scaled = noise_map
