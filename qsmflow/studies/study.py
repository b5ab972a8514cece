"""What a study is: cases that vary, one pure function that scores each, and what is shown of the scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from qsmflow.reports.blocks import Block

Value = str | int | float
#: What varies, by name; of the types of JSON, since it goes to another process.
Varied = Mapping[str, Value]
#: One line of the tidy table: what varied, then region, metric, value, unit and note.
Row = dict[str, Value]


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes
    ----------
    quick
        Small grids and fewer of them, so that all studies together take minutes; methods at their default settings.
    data
        Output of `qsmflow run` on several orientations, in place of simulated heads; None: simulated.
    head
        Label map, and optionally the brain mask on its grid, from which heads are simulated; none: a procedural head.
    voxel_size
        Of simulated heads along each axis, mm; None: `voxel` says.
    """

    quick: bool = False
    data: Path | None = None
    head: tuple[Path, ...] = ()
    voxel_size: float | None = None

    @property
    def voxel(self) -> float:
        """Voxels of simulated heads along each axis, mm."""
        return self.voxel_size or (3.0 if self.quick else 1.0)


@dataclass(frozen=True)
class Case:
    """One thing that is computed.

    Attributes
    ----------
    problem
        What is prepared, once for all cases that share it.
    varied
        What is done with it.
    weights
        Names of the trained networks that it needs.
    files
        What `problem` is made from, where that is measured.
    """

    problem: Varied
    varied: Varied
    weights: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def row(self) -> Row:
        """The columns of the tidy table that tell this case from the others."""
        return {**self.problem, **self.varied}


class Score(NamedTuple):
    """One number."""

    metric: str
    value: float
    unit: str = ""
    region: str = "mask"


@dataclass(frozen=True)
class Outcome:
    """What a case comes to.

    Attributes
    ----------
    scores
        Numbers.
    maps
        For pictures: ``map``, ``truth``, (X, Y, Z), ppm, zero outside the mask; axes near right, front, up.
    affine
        Of their grid, 4x4, mm; None where there are none.
    """

    scores: list[Score]
    maps: dict[str, torch.Tensor] = field(default_factory=dict)
    affine: Any = None


class Done(NamedTuple):
    """A case with the lines of the tidy table that it gave, and the file of its maps; None if it was left out."""

    case: Case
    rows: list[Row]
    maps: Path | None


@dataclass(frozen=True)
class Study:
    """A table of a paper, from cases to what is shown; its module's docstring says what it is.

    Attributes
    ----------
    cases
        What varies.
    prepare
        From the problem and the files of a case to what `compute` takes; anything that `torch.save` writes.
    compute
        From what was prepared and what varies to numbers and maps. Pure: the same again for the same.
    show
        From everything that was computed to tables and pictures, in order.
    alone
        Whether cases must not run beside each other, since they are timed.
    trains
        Whether networks are trained by the recipes of the package.
    measured, headed
        Whether `Request.data` is understood; and whether the heads may be of `Request.head`.
    """

    cases: Callable[[Request], list[Case]]
    prepare: Callable[[Varied, Sequence[Path]], Any]
    compute: Callable[[Any, Varied], Outcome]
    show: Callable[[Sequence[Done]], list[Block]]
    alone: bool = False
    trains: bool = False
    measured: bool = False
    headed: bool = False
