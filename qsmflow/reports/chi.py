"""Maps of susceptibility as the report shows them: in three ranges, side by side, and less each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from qsmflow.reports.blocks import Block, Choice, Details, Picture
from qsmflow.reports.figures import mosaic, side_by_side
from qsmflow.reports.loaded import inside
from qsmflow.reports.measures import spread
from qsmflow.reports.scales import Scale, chi_scale, difference_scale
from qsmflow.reports.titles import title_of
from qsmflow.reports.volume import Cuts, Volume

#: Ranges of χ that can be chosen, ppm, the one shown first in the middle.
RANGES = (0.05, 0.1, 0.2)
#: Digits behind the point of a mean, by unit; one for others.
_DECIMALS = {"ppm": 4, "ppb": 2}


def map_picture(
    name: str,
    kind: str,
    volume: Volume,
    cuts: Cuts,
    scale: Scale,
    mask: NDArray[np.bool_] | None,
    numbers: dict[str, str],
    echo: str = "",
) -> Picture:
    """One map in three planes; its mean and SD inside `mask` go into `numbers`. `echo` says which it is of, if any."""
    shown_in = inside(volume, mask)
    found = spread(volume, shown_in)
    said = f"inside the mask: {found} {scale.unit}" if found else "no voxel inside the mask"
    if scale.wraps:
        said = "before unwrapping"  # its mean and SD say nothing
    title = title_of(kind)
    if scale.label == chi_scale().label:
        title = f"χ, {title}"
    if found and not scale.wraps:
        decimals = _DECIMALS.get(scale.unit, 1)
        numbers[f"{title}: mean ± SD ({scale.unit})"] = f"{found.mean:z.{decimals}f} ± {found.sd:.{decimals}f}"
    if echo:
        title = f"{title}, {echo}"
    png = mosaic(volume, cuts, scale, mask=shown_in)
    shown = f"{scale.low:g} to {scale.high:g} {scale.unit}"
    alt = f"{title} of {name} in three planes, shown from {shown}; {said}."
    return Picture(f"{name}_{kind}", png, alt, f"{title}, {said}.")


def chi_blocks(
    name: str, chis: Mapping[str, Volume], cuts: Cuts, mask: NDArray[np.bool_] | None, numbers: dict[str, str]
) -> list[Block]:
    """The χ maps of one frame side by side in the `RANGES`, their differences, and each in three planes.

    Parameters
    ----------
    name
        What the maps belong to; it begins the names of the pictures.
    chis
        Maps by kind, all on one grid.
    cuts
        Slices.
    mask
        Bool, shape (X, Y, Z): what is shown. None: where a map is not zero.
    numbers
        Takes the numbers by the name of the measure.
    """
    if not chis:
        return []
    shown = mask if mask is not None else np.logical_or.reduce([v.mask for v in chis.values()])
    titled = {title_of(kind): volume for kind, volume in chis.items()}
    deviation = ", ".join(f"{t} {s.sd:.3g}" for t, v in titled.items() if (s := spread(v, inside(v, shown))))
    names = ", ".join(titled)
    ranged = []
    for limit in RANGES:
        png = side_by_side(titled, cuts, chi_scale(limit), mask=shown)
        alt = f"Susceptibility of {name} by {names}, the same slices in each row, −{limit:g} to {limit:g} ppm"
        caption = f"χ, one row a method: {names}. SD inside the mask (ppm): {deviation}."
        suffix = "" if limit == RANGES[1] else f"_{limit:g}".replace(".", "p")
        ranged.append(Picture(f"{name}_chi{suffix}", png, f"{alt}; SD in ppm: {deviation}.", caption))
    labels = [f"±{limit:g} ppm" for limit in RANGES]
    blocks: list[Block] = [Choice(f"{name}_range", "Range of χ", labels, ranged, chosen=1)]
    blocks += _differences(name, chis, cuts, shown, numbers)
    single: list[Block] = [map_picture(name, kind, v, cuts, chi_scale(), mask, numbers) for kind, v in chis.items()]
    return [*blocks, Details("Each χ map in three planes", single)]


def _differences(
    name: str, chis: Mapping[str, Volume], cuts: Cuts, mask: NDArray[np.bool_], numbers: dict[str, str]
) -> list[Block]:
    """COSMOS, or the last map where there is none (a network, for one), less every other."""
    if len(chis) < 2:
        return []
    base = "cosmos" if "cosmos" in chis else [*chis][-1]
    less: dict[str, Volume] = {}
    for kind, chi in chis.items():
        if kind == base:
            continue
        both = mask & chis[base].mask & chi.mask
        values = np.where(both, chis[base].data - chi.data, 0).astype(np.float32)
        title = f"{title_of(base)} − {title_of(kind)}"
        less[title] = Volume(values, chi.voxel_size, chi.affine)
        if both.any():
            numbers[f"{title}: RMS (ppm)"] = f"{np.sqrt(np.square(values[both], dtype=np.float64).mean()):.4f}"
    told = ", ".join(f"{title} {numbers.get(f'{title}: RMS (ppm)', 'nowhere both known')}" for title in less)
    png = side_by_side(less, cuts, difference_scale(), mask=mask)
    alt = f"Differences of the susceptibility maps of {name} in the same slices, one a row; RMS in ppm: {told}."
    return [Picture(f"{name}_differences", png, alt, f"Differences of χ. RMS inside the mask (ppm): {told}.")]
