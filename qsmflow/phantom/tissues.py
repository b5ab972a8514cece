"""The tissue table: what every label is made of."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch

from qsmflow.errors import InputError

#: Tables that come with the package, by the name under which ``--chi`` takes them.
BUILT_IN = ("head", "rc2")
_REQUIRED = ("label", "name", "chi", "m0", "t2star", "brain")


@dataclass(frozen=True)
class Tissue:
    """One row of the tissue table.

    Attributes
    ----------
    label
        0..255.
    chi
        Susceptibility relative to water, ppm.
    m0
        Magnitude at TE 0 of a spoiled gradient echo at the Ernst angle of white matter, relative to CSF's 1.
    t2star
        ms at 3 T.
    brain
        Whether it belongs to the brain mask.
    r2star_per_tesla
        Change of R2* with B0, 1/s/T.
    texture
        SD of the susceptibility within the tissue, ppm.
    """

    label: int
    name: str
    chi: float
    m0: float
    t2star: float
    brain: bool
    r2star_per_tesla: float = 0.0
    texture: float = 0.0


@dataclass(frozen=True)
class TissueTable:
    """The tissues of a head, by label; a label that is not there is refused, not guessed."""

    tissues: tuple[Tissue, ...]

    def column(self, name: str, device: torch.device | str = "cpu") -> torch.Tensor:
        """Property `name` by label: float32 (256,), NaN where no tissue has the label."""
        values = torch.full((256,), math.nan)
        for tissue in self.tissues:
            values[tissue.label] = float(getattr(tissue, name))
        return values.to(device)

    def r2star(self, b0: float, device: torch.device | str = "cpu") -> torch.Tensor:
        """R2* in 1/s at `b0` T by label, (256,)."""
        slope = self.column("r2star_per_tesla", device)
        return (1000.0 / self.column("t2star", device) + slope * (b0 - 3.0)).clamp_min(0.0)

    def missing(self, labels: torch.Tensor) -> list[int]:
        """Labels of `labels` that the table lacks."""
        known = {tissue.label for tissue in self.tissues}
        return [int(label) for label in torch.unique(labels) if int(label) not in known]


def read_tissues(source: Path | str) -> TissueTable:
    """Read a tissue table.

    Parameters
    ----------
    source
        A name of `BUILT_IN`, or a tab-separated file with the columns label, name, chi (ppm), m0, t2star (ms at 3 T),
        brain (0 or 1) and optionally r2star_per_tesla (1/s/T) and texture (ppm). Lines that begin with # are remarks.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, or a value is not a number.
    """
    if str(source) in BUILT_IN:
        text = (resources.files("qsmflow") / "data" / "tissues" / f"{source}.tsv").read_text()
    else:
        try:
            text = Path(source).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{source}: not a readable tissue table ({error}); give a TSV file or one of {', '.join(BUILT_IN)}"
            ) from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = csv.DictReader(io.StringIO("\n".join(lines)), delimiter="\t")
    absent = [name for name in _REQUIRED if name not in (rows.fieldnames or ())]
    if absent:
        raise InputError(f"{source}: no column {absent[0]}; a tissue table has the columns {', '.join(_REQUIRED)}")
    tissues = tuple(_tissue(source, row) for row in rows)
    if not tissues:
        raise InputError(f"{source}: no tissue in the table; add one line a label")
    if len({tissue.label for tissue in tissues}) < len(tissues):
        raise InputError(f"{source}: a label occurs twice in column label; give each label one line")
    return TissueTable(tissues)


def _tissue(source: Path | str, row: dict[str, str]) -> Tissue:
    name = "label"
    try:
        label = int(row["label"])
        numbers = {}
        for name in ("chi", "m0", "t2star", "brain", "r2star_per_tesla", "texture"):
            numbers[name] = float(row[name]) if name in _REQUIRED else float(row.get(name) or 0.0)
            if not math.isfinite(numbers[name]):
                raise ValueError(row[name])
    except (TypeError, ValueError) as error:
        raise InputError(f"{source}: {name} of label {row['label']} is not a number; write one") from error
    if not 0 <= label <= 255:
        raise InputError(f"{source}: label {label} is outside 0..255; renumber the label map")
    if not numbers["t2star"] > 0:
        raise InputError(f"{source}: t2star of label {label} must be above 0; give it in ms")
    return Tissue(
        label=label,
        name=row["name"],
        chi=numbers["chi"],
        m0=numbers["m0"],
        t2star=numbers["t2star"],
        brain=bool(numbers["brain"]),
        r2star_per_tesla=numbers["r2star_per_tesla"],
        texture=numbers["texture"],
    )
