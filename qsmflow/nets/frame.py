"""Between the grid of a scan and that of a network: B0 along z, voxels of one size, sizes that can be halved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from qsmflow.core.box import Box
from qsmflow.core.grid import as_size
from qsmflow.core.registration.resample import resample
from qsmflow.core.separable import gaussian, separable
from qsmflow.core.smooth import gaussian as smooth

#: Degrees: with B0 nearer than this to an axis nothing is turned, since interpolation would take more than it gives.
STRAIGHT = 1.0
#: Voxels whose edges differ by less than this share are not resampled.
SAME_SIZE = 0.02
#: Empty voxels about the mask, at least.
MARGIN = 4


@dataclass(frozen=True)
class Frame:
    """A grid for a network, laid about the mask of a scan; the same about a scan with more or fewer empty voxels.

    Where the scan already has B0 along an axis and the right voxels, its axes are only permuted. Elsewhere volumes are
    interpolated by cubic splines, after a filter that averages over the larger voxel where the new ones are larger,
    and after what lies within the mask was continued beyond it, so that nothing mixes with the emptiness outside.

    Attributes
    ----------
    mask
        bool, the mask of the scan in the frame.
    native
        bool, the mask of the scan.
    voxel_size
        mm, of the scan.
    size
        mm, of the frame.
    turn
        (3, 3), rotation from the voxel axes of the scan to those of the frame.
    origin
        mm, first voxel of the frame in its own axes, counted from the first voxel of the scan.
    exact
        Nothing is interpolated.
    """

    mask: torch.Tensor
    native: torch.Tensor
    voxel_size: tuple[float, float, float]
    size: tuple[float, float, float]
    turn: torch.Tensor
    origin: torch.Tensor
    exact: bool

    @classmethod
    def about(
        cls,
        mask: torch.Tensor,
        voxel_size: Sequence[float],
        b0_dir: Sequence[float],
        size: Sequence[float] | None,
        multiple: int = 1,
    ) -> Frame:
        """The frame about `mask`.

        Parameters
        ----------
        mask
            bool, (X, Y, Z), of the scan.
        voxel_size, b0_dir
            Of the scan: mm; direction in voxel axes. Its sign is of no matter to a dipole.
        size
            Voxels of the frame, mm; None for those of the scan, which is then neither turned nor resampled.
        multiple
            Of which every size of the frame must be one.

        Raises
        ------
        ValueError
            The mask is empty, or so thin that nothing of it is left in the frame.
        """
        x, y, z = map(float, voxel_size)
        native = torch.tensor((x, y, z), dtype=torch.float64)
        turn = torch.eye(3, dtype=torch.float64) if size is None else _turn(b0_dir)
        permuted = turn.abs() @ native
        wanted = permuted if size is None else torch.tensor([*map(float, size)], dtype=torch.float64)
        straight = bool(((turn == 0) | (turn.abs() == 1)).all())
        exact = straight and bool(((permuted / wanted - 1).abs() < SAME_SIZE).all())
        wanted = permuted if exact else wanted
        where = Box.around(mask).where
        held = torch.nonzero(mask[where]).to("cpu", torch.float64) + torch.tensor([float(s.start) for s in where])
        at = (held * native) @ turn.T
        low, high = at.min(0).values, at.max(0).values
        counts = torch.ceil((high - low) / wanted - 1e-6).long() + 1 + 2 * MARGIN
        shape = as_size([math.ceil(n / multiple) * multiple for n in counts.tolist()])
        # the middle of the mask in the middle of the frame; whole voxels of the scan where these are kept
        before = (torch.tensor(shape) - 1 - (high - low) / wanted) / 2
        origin = low - (before.round() if exact else before) * wanted
        sizes = (float(wanted[0]), float(wanted[1]), float(wanted[2]))
        empty = torch.zeros(shape, dtype=torch.bool, device=mask.device)
        grid = cls(empty, mask, (x, y, z), sizes, turn, origin, exact)
        inside = grid._permuted(mask) if exact else grid._sampled(mask)
        if not bool(inside.any()):
            lengths = " x ".join(f"{length:.3g}" for length in sizes)
            raise ValueError(
                f"mask: thinner than the network's voxels of {lengths} mm; give one that is two of them thick at least"
            )
        return replace(grid, mask=inside)

    def enter(self, volume: torch.Tensor) -> torch.Tensor:
        """A volume of the scan, (X, Y, Z), in the frame; zero outside the mask."""
        if self.exact:
            return self._permuted(volume) * self.mask
        reached = self._transferred(volume, self.native, self.voxel_size, self.size, self.turn, self._grid(), self.mask)
        return reached * self.mask

    def leave(self, volume: torch.Tensor) -> torch.Tensor:
        """A volume of the frame on the grid of the scan; zero outside its mask, and defined everywhere in that."""
        if self.exact:
            return self._restored(volume) * self.native
        back = torch.linalg.inv(self._grid())
        turn = self.turn.T
        reached = self._transferred(volume, self.mask, self.size, self.voxel_size, turn, back, self.native)
        return reached * self.native

    def _grid(self) -> torch.Tensor:
        """(4, 4): voxel of the frame to voxel of the scan."""
        grid = torch.eye(4, dtype=torch.float64)
        scale = torch.tensor(self.voxel_size, dtype=torch.float64).reciprocal()
        grid[:3, :3] = scale[:, None] * self.turn.T * torch.tensor(self.size, dtype=torch.float64)
        grid[:3, 3] = scale * (self.turn.T @ self.origin)
        return grid

    def _sampled(self, mask: torch.Tensor) -> torch.Tensor:
        """The mask of the scan by linear interpolation, cut at one half."""
        identity = torch.eye(4, dtype=torch.float64)
        # a voxel of nothing about it, because beyond its last voxel an image is not interpolated
        padded = torch.nn.functional.pad(mask.float(), (1,) * 6).bool()
        return resample(padded, identity, identity, _shifted(self._grid(), 1), as_size(self.mask.shape))

    @staticmethod
    def _transferred(
        volume: torch.Tensor,
        mask: torch.Tensor,
        size: Sequence[float],
        to_size: Sequence[float],
        turn: torch.Tensor,
        grid: torch.Tensor,
        to_mask: torch.Tensor,
    ) -> torch.Tensor:
        """What `volume` holds in `mask`, averaged over the voxel of the other grid and sampled there."""
        room = 4
        where = Box.around(mask).where
        padded, inside = (
            torch.nn.functional.pad(part[where], (room,) * 6) for part in (volume * mask, mask.to(volume.dtype))
        )
        filled = _continued(padded, inside > 0, size)
        # variances of a box: that of the other voxel, seen along these axes, less that of this one
        other = turn.T.square() @ torch.tensor(to_size, dtype=torch.float64).square()
        own = torch.tensor(tuple(size), dtype=torch.float64)
        widths = ((other / own.square() - 1).clamp_min(0) / 12).sqrt().tolist()
        filled = separable(filled, *(gaussian(2 * math.ceil(3 * s) + 1, max(s, 1e-3)) for s in widths))
        moved = grid.clone()
        moved[:3, 3] -= torch.tensor([float(s.start) - room for s in where], dtype=torch.float64)
        identity = torch.eye(4, dtype=torch.float64)
        return resample(filled, identity, identity, moved, as_size(to_mask.shape))

    def _permuted(self, volume: torch.Tensor) -> torch.Tensor:
        """The voxels of the scan as they are, in the order of the frame."""
        axes, take, put, _ = self._places()
        frame = volume.new_zeros(tuple(self.mask.shape))
        frame[put] = volume.permute(axes)[take]
        return frame

    def _restored(self, volume: torch.Tensor) -> torch.Tensor:
        """Undo `_permuted`."""
        axes, take, put, back = self._places()
        scan = volume.new_zeros([self.native.shape[axis] for axis in axes])
        scan[take] = volume[put]
        return scan.permute(back)

    def _places(self) -> tuple[list[int], tuple[slice, ...], tuple[slice, ...], list[int]]:
        """Axes of the scan in the order of the frame, the part they share in either, and the order back."""
        axes = self.turn.abs().argmax(1).tolist()
        first = torch.round(self.origin / torch.tensor(self.size, dtype=torch.float64)).long().tolist()
        take, put = [], []
        for axis, start, n in zip(axes, first, self.mask.shape, strict=True):
            low, high = max(0, start), min(self.native.shape[axis], start + n)
            take.append(slice(low, high))
            put.append(slice(low - start, high - start))
        return axes, tuple(take), tuple(put), [axes.index(axis) for axis in range(3)]


def _turn(b0_dir: Sequence[float]) -> torch.Tensor:
    """The smallest rotation that lays B0 along the third axis, after the axes took turns so that it is near."""
    b0 = torch.tensor([*map(float, b0_dir)], dtype=torch.float64)
    b0 = b0 / b0.norm()
    shift = 2 - int(b0.abs().argmax())
    turns = torch.eye(3, dtype=torch.float64).roll(shift, 0)
    b0 = turns @ b0
    b0 = b0 * torch.sign(b0[2])
    if math.degrees(math.acos(min(1.0, float(b0[2])))) < STRAIGHT:
        return turns
    # Rodrigues' formula, about the axis at right angles to B0 and z
    x, y, z = b0.tolist()
    cross = torch.tensor([[0.0, 0.0, -x], [0.0, 0.0, -y], [x, y, 0.0]], dtype=torch.float64)
    rotation = torch.eye(3, dtype=torch.float64) + cross + cross @ cross / (1 + z)
    return rotation @ turns


def _continued(volume: torch.Tensor, mask: torch.Tensor, voxel_size: Sequence[float]) -> torch.Tensor:
    """`volume` within the mask, and about it the mean of what is near."""
    sigma = max(voxel_size)
    weight = smooth(mask.to(volume.dtype), voxel_size, sigma)
    near = smooth(volume * mask, voxel_size, sigma) / weight.clamp_min(1e-3)
    return torch.where(mask, volume, near)


def _shifted(grid: torch.Tensor, voxels: float) -> torch.Tensor:
    """`grid` into an image that has so many more voxels before its first."""
    moved = grid.clone()
    moved[:3, 3] += voxels
    return moved
