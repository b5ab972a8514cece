"""Random numbers that are the same on every device and in every order of asking."""

from __future__ import annotations

import hashlib
import math

import torch
from torch.nn import functional

from qsmflow.core.grid import Size, as_size
from qsmflow.phantom.lattice import smooth_noise


def seeded(*key: int | str) -> torch.Generator:
    """A generator that is a function of `key`: the tenth batch is the same whether or not the ninth was drawn."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


class Draws:
    """Random numbers by the name of their distribution, all from one generator on the CPU."""

    def __init__(self, generator: torch.Generator):
        self.generator = generator

    def between(self, low: float, high: float) -> float:
        """A number, evenly distributed."""
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def log_between(self, low: float, high: float) -> float:
        """A number whose logarithm is evenly distributed."""
        return math.exp(self.between(math.log(low), math.log(high)))

    def up_to(self, high: float) -> float:
        """A number from 0 to `high`, evenly distributed."""
        return self.between(0.0, high)

    def sign(self) -> float:
        """1 or -1."""
        return 1.0 if self.chance(0.5) else -1.0

    def chance(self, share: float) -> bool:
        """True as often as `share` says."""
        return self.between(0.0, 1.0) < share

    def integer(self, count: int) -> int:
        """One of 0 ... `count` - 1."""
        return int(torch.randint(count, (), generator=self.generator))

    def normal(self, shape: tuple[int, ...], device: torch.device | str = "cpu") -> torch.Tensor:
        """Gaussian noise of SD 1."""
        return torch.randn(shape, generator=self.generator).to(device)

    def uniform(self, count: int) -> torch.Tensor:
        """`count` numbers from 0 to 1."""
        return torch.rand(count, generator=self.generator)

    def direction(self, largest: float = 180.0) -> tuple[float, float, float]:
        """Unit vector, evenly distributed over those within `largest` degrees of the third axis."""
        z = self.between(math.cos(math.radians(largest)), 1.0)
        turn = self.between(0.0, 2.0 * math.pi)
        across = math.sqrt(max(0.0, 1.0 - z * z))
        return across * math.cos(turn), across * math.sin(turn), z

    def smooth(self, shape: Size, wavelength: float, device: torch.device) -> torch.Tensor:
        """Smooth noise of SD 1; wavelength in voxels. Drawn at three points a wavelength, linear in between."""
        step = max(1.0, wavelength / 3.0)
        coarse = as_size([int(n / step) + 2 for n in shape])
        nodes = smooth_noise(coarse, step, wavelength, self.generator).to(device)
        return functional.interpolate(nodes[None, None], shape, mode="trilinear", align_corners=True)[0, 0]
