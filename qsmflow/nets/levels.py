"""Networks of halvings as a ladder of steps, which run whole or piece by piece with the same result."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

from .sizes import refuse_size


class Ladder(nn.Module, ABC):
    """A network that goes down `levels` halvings and up again; `forward` and slabs take the same steps.

    Attributes
    ----------
    dims
        2 or 3 spatial axes.
    levels
        How often the size is halved.
    inputs
        Channels.
    residual
        Whether what the layers give is added to the first channel.
    scaled
        And multiplied by the second channel before: where that is zero, the first stays as it is.
    halo
        Voxels of its own grid by which a slab must be longer at each end, at any level, so that the steps of that
        level are exact in its middle: (for `skip` and `descend`, for `ascend` and `finish`); even.
    head
        The last layers, with which `finish` begins.
    """

    dims: int
    levels: int
    inputs: int
    residual: bool = False
    scaled: bool = False
    halo: tuple[int, int]
    head: nn.Module

    @property
    def multiple(self) -> int:
        """Every spatial size of the input must be a multiple of this."""
        return 2**self.levels

    @property
    def layout(self) -> torch.memory_format:
        """Channels innermost in memory, in which convolutions are faster."""
        return torch.channels_last_3d if self.dims == 3 else torch.channels_last

    @abstractmethod
    def carried(self, level: int) -> int:
        """Channels of what comes to `level` from above; of the input for level 0."""

    @abstractmethod
    def made(self, level: int) -> int:
        """Channels of what comes up from `level`."""

    @abstractmethod
    def busy(self, level: int) -> int:
        """Channels held at once by the steps of `level`, at their peak, in voxels of that level."""

    @abstractmethod
    def skip(self, level: int, x: torch.Tensor) -> torch.Tensor:
        """What goes across at `level`, of what came from above."""

    @abstractmethod
    def descend(self, level: int, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """What goes to the next level, at half the size, of what came from above and what goes across."""

    @abstractmethod
    def middle(self, x: torch.Tensor) -> torch.Tensor:
        """The steps at the bottom."""

    @abstractmethod
    def ascend(self, level: int, skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """What goes up from `level`, of what goes across and what comes from below."""

    @abstractmethod
    def finish(self, x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """The output, of what comes up from level 0 and the input."""

    def added(self, x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """`x`, or what a residual network makes of it and its input."""
        if not self.residual:
            return x
        return given[:, :1] + (given[:, 1:2] * x if self.scaled else x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, `inputs`, X, Y[, Z]) to (N, outputs, X, Y[, Z]).

        Raises
        ------
        ValueError
            A size is no multiple of `multiple`.
        """
        refuse_size(x, self.multiple, self.dims)
        return self.finish(self.trunk(x), x)

    def trunk(self, x: torch.Tensor, top: int = 0) -> torch.Tensor:
        """What comes up from level `top`, of what is carried there."""
        skips = []
        for level in range(top, self.levels):
            skips.append(self.skip(level, x))
            x = self.descend(level, x, skips[-1])
        x = self.middle(x)
        for level in reversed(range(top, self.levels)):
            x = self.ascend(level, skips.pop(), x)
        return x
