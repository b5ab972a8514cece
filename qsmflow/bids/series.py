"""The two things a dataset is made of: a series (one acquisition) and a head (the series that share one anatomy)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

#: Names under which an intermediate may be supplied by ``--derivatives NAME=PATH`` and enters the DAG.
SUPPLIED = ("mask", "csf", "reference", "labels", "atlas", "template", "total", "local", "cosmos")
#: Those of them that lie in a space of their own: one file each, for all series.
ELSEWHERE = ("atlas", "template")
#: Those of them that are masks.
MASKS = ("mask", "csf", "reference")


@dataclass(frozen=True)
class Series:
    """One gradient-echo acquisition: all echoes of one head orientation.

    Attributes
    ----------
    entities
        BIDS entities that name the series, in BIDS order and without ``echo`` and ``part``
        (``{"sub": "01", "ses": "a", "acq": "ori1"}``).
    magnitude, phase
        One file an echo in order of echo time, or a single 4-D file; empty where the dataset has none.
        Real and imaginary parts are given in `real`, `imag` instead, raw data of the coils in `raw`.
    coil_magnitude, coil_phase
        Images of the coils, all of one echo after another, where no combined image is there.
    echo_times
        s, ascending, one an echo; empty where a field is supplied and not every magnitude tells its own.
    field_strength
        B0 in T; None where a field is supplied and not every magnitude tells it.
    phase_units
        ``Units`` of the phase's sidecar (``rad`` or ``arbitrary``); None where it says nothing.
    b0_dir
        Unit vector in voxel axes from a sidecar's ``B0_dir``; None means: from the affine.
    supplied
        Intermediates found in derivative datasets, by the names of `SUPPLIED`.
    """

    entities: dict[str, str]
    magnitude: tuple[Path, ...] = ()
    phase: tuple[Path, ...] = ()
    real: tuple[Path, ...] = ()
    imag: tuple[Path, ...] = ()
    raw: tuple[Path, ...] = ()
    coil_magnitude: tuple[Path, ...] = ()
    coil_phase: tuple[Path, ...] = ()
    echo_times: tuple[float, ...] = ()
    field_strength: float | None = None
    phase_units: str | None = None
    b0_dir: tuple[float, float, float] | None = None
    supplied: dict[str, Path] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The entities as they stand at the head of a BIDS file name: ``sub-01_acq-ori1``."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items())

    @property
    def files(self) -> tuple[Path, ...]:
        """All images, what is supplied last."""
        return (*self.images, *self.supplied.values())

    @property
    def gridded(self) -> tuple[Path, ...]:
        """All images but those that lie in a space of their own."""
        elsewhere = {self.supplied[name] for name in ELSEWHERE if name in self.supplied}
        return tuple(path for path in self.files if path not in elsewhere)

    @property
    def images(self) -> tuple[Path, ...]:
        """All that was acquired."""
        pairs = (*self.magnitude, *self.phase, *self.real, *self.imag)
        return (*pairs, *self.raw, *self.coil_magnitude, *self.coil_phase)

    @property
    def has_phase(self) -> bool:
        """Whether there is more than magnitude."""
        return bool(self.phase or self.real or self.has_coils)

    @property
    def has_coils(self) -> bool:
        """Whether the coils are still to be combined."""
        return bool(self.raw or self.coil_phase)

    @property
    def has_field(self) -> bool:
        """Whether a total or a local field is supplied, so that the echoes are not read one by one."""
        return bool({"total", "local"} & self.supplied.keys())

    @property
    def has_decay(self) -> bool:
        """Whether R2* is computed: from the magnitudes of several echoes that are read one by one."""
        seen = bool(self.magnitude or self.real or self.has_coils)
        return seen and len(self.echo_times) > 1 and not self.has_field


@dataclass(frozen=True)
class Head:
    """The orientations of one head in one session; a single series where there is only one.

    `entities` are those all series share (the orientation entity left out); ``series[0]`` is the reference.
    """

    entities: dict[str, str]
    series: tuple[Series, ...]
    orientation_entity: str

    @property
    def name(self) -> str:
        """The shared entities as they stand at the head of a BIDS file name."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items())
