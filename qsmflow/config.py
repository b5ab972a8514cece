"""Every default of qsmflow, once.

Each stage has one frozen dataclass whose fields carry default, meaning and range. The command line, the traits of the
interfaces, the TOML files and the documentation are derived from these classes; the defaults in the signatures of
``qsmflow.core`` repeat them and a parity test holds the two together.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from qsmflow.errors import UsageError

S = TypeVar("S", bound="Settings")


class ConfigError(UsageError, ValueError):
    """A setting that cannot be used; the message names file, setting and mend in one line."""


def setting(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
) -> Any:
    """Declare one setting of a `Settings` class: its default, what it means (with unit), and what it may be."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """Base of the settings of one stage; refuses values outside what `setting` declares."""

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Settings):
                continue
            if hints[item.name] is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
                object.__setattr__(self, item.name, value)
            if isinstance(value, list):
                value = tuple(value)
                object.__setattr__(self, item.name, value)
            _check(item, hints[item.name], value)


def _check(item: dataclasses.Field[Any], hint: Any, value: Any) -> None:
    name, meta = item.name, item.metadata
    plain = {"bool": bool, "int": int, "float": float, "str": str}
    expected = plain.get(getattr(hint, "__name__", ""))
    if expected is not None and type(value) is not expected:
        raise ConfigError(f"{name}: expected {expected.__name__}, got {value!r}")
    if isinstance(value, float) and math.isnan(value):
        raise ConfigError(f"{name}: {value!r} is not a number")
    for one in value if isinstance(value, tuple) else (value,):
        if meta.get("choices") and one not in meta["choices"]:
            raise ConfigError(f"{name}: {one!r} is not one of {', '.join(meta['choices'])}")
    if meta.get("low") is not None and value < meta["low"]:
        raise ConfigError(f"{name}: {value!r} is below {meta['low']}")
    if meta.get("high") is not None and value > meta["high"]:
        raise ConfigError(f"{name}: {value!r} is above {meta['high']}")


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML file as a nested dict."""
    try:
        return tomllib.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file") from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a readable TOML file ({error})") from error


def preset_path(name: str) -> Path:
    """File of the preset `name`; the presets stand in ``data/presets``."""
    folder = Path(__file__).parent / "data" / "presets"
    known = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in known:
        raise ConfigError(f"--preset {name}: no such preset; known: {', '.join(known)}")
    return folder / f"{name}.toml"


def resolve(settings: type[S], layers: Sequence[tuple[str, dict[str, Any]]]) -> S:
    """Lay tables over each other, later ones winning; each comes with the name of where it is from.

    Every layer is checked on its own first, so that a fault is told of the file it stands in.
    """
    merged: dict[str, Any] = {}
    for source, table in layers:
        try:
            from_table(settings, table)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from error
        for name, value in table.items():
            merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return from_table(settings, merged)


def from_table(settings: type[S], table: dict[str, Any]) -> S:
    """Build `settings` from a nested dict; every name that is not a setting is refused."""
    hints = get_type_hints(settings)
    known = {item.name for item in dataclasses.fields(settings)}
    values = {}
    for name, value in table.items():
        if name not in known:
            raise ConfigError(f"{name}: no such setting; known: {', '.join(sorted(known))}")
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, Settings):
            if not isinstance(value, dict):
                raise ConfigError(f"{name}: expected a table")
            try:
                value = from_table(hint, value)
            except ConfigError as error:
                raise ConfigError(f"{name}.{error}") from error
        values[name] = value
    return settings(**values)


def to_toml(settings: Settings) -> str:
    """Write `settings` as TOML that `read_table` and `from_table` turn back into the same value."""
    lines: list[str] = []
    tables: list[str] = []
    for item in dataclasses.fields(settings):
        value = getattr(settings, item.name)
        if isinstance(value, Settings):
            tables.append(f"\n[{item.name}]\n{to_toml(value)}")
        else:
            lines.append(f"{item.name} = {_toml_value(value)}\n")
    return "".join(lines) + "".join(tables)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    return repr(value)


#: Background removals, by name, and the stages that each is made of; a stage works in the mask that the last one left.
BACKGROUNDS = {
    "vsharp": ("vsharp",),
    "resharp": ("resharp",),
    "lbv": ("lbv",),
    "pdf": ("pdf",),
    "ismv": ("ismv",),
    "lbv_vsharp": ("lbv", "vsharp"),
}
#: Inversions of a single orientation, by the name that each has everywhere.
INVERSIONS = ("tkd", "tsvd", "l2", "ilsqr", "rts", "tv", "nltv", "tgv", "nltgv", "ndi", "whtv", "medi")
#: Those of them that take the field as a phase, and need its echo time and field strength.
NONLINEAR = ("nltv", "nltgv", "ndi", "whtv")

# --- one class a stage, in the order of the pipeline -------------------------------------------------------------


@dataclass(frozen=True)
class GRAPPA(Settings):
    """Missing k-space samples from their neighbours in all coils."""

    kernel: int = setting(
        7,
        "neighbourhood across the readout, samples, odd; grows in proportion above an acceleration of two",
        low=3,
    )
    readout_kernel: int = setting(3, "neighbourhood along the readout, samples, odd", low=1)
    weight: float = setting(0.01, "regularisation, as a share of the mean power of the calibration samples", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kernel", "readout_kernel"):
            if getattr(self, name) % 2 == 0:
                raise ConfigError(f"{name}: {getattr(self, name)} is even; it must have a sample in its middle")


@dataclass(frozen=True)
class ESPIRiT(Settings):
    """Coil sensitivities from the calibration region of k-space."""

    kernel: int = setting(6, "size of the patches of k-space, samples", low=2, high=12)
    calibration: int = setting(24, "most samples of the centre to use along each axis", low=6)
    threshold: float = setting(
        0.01, "singular values of the calibration matrix below this share of the largest are noise", low=0, high=1
    )
    sets: int = setting(1, "map sets; the first makes the image", low=1, high=4)
    crop: float = setting(0.8, "maps are zero where their eigenvalue is below this", low=0, high=1)
    soft: bool = setting(True, "fade the maps between crop and one instead of a step")
    iterations: int = setting(3, "subspace iterations from each decomposed voxel to its neighbours", low=1)


@dataclass(frozen=True)
class CoilCombine(Settings):
    """One image from those of the coils."""

    method: str = setting(
        "espirit",
        "sensitivities by ESPIRiT, by the local covariance of the coils (adaptive), or by two echoes' phase (offsets)",
        choices=("espirit", "adaptive", "offsets"),
    )
    rss: bool = setting(False, "magnitude by root sum of squares of the coils, instead of that of the combination")
    block: int = setting(5, "edge of the block over which adaptive takes the covariance, voxels, odd", low=1)
    smoothing: float = setting(5.0, "SD of the Gaussian that smooths what offsets finds, mm", low=0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.block % 2 == 0:
            raise ConfigError(f"block: {self.block} is even; it must have a voxel in its middle")


@dataclass(frozen=True)
class ScalePhase(Settings):
    """Stored phase to radians."""

    sign: str = setting(
        "plus",
        "sign of the phase: plus where a paramagnetic source raises it, minus where the scanner conjugates",
        choices=("plus", "minus"),
    )
    nonfinite: str = setting(
        "refuse",
        "NaN and Inf voxels: refuse the input, or set them to zero and name their number",
        choices=("refuse", "zero"),
    )


@dataclass(frozen=True)
class BrainMask(Settings):
    """Brain extraction from the magnitude."""

    method: str = setting(
        "auto",
        "auto takes FSL BET where bet is installed, else the embedded method",
        choices=("auto", "embedded", "bet"),
    )
    bet_fraction: float = setting(0.5, "fractional intensity threshold of FSL BET; smaller keeps more", low=0, high=1)


@dataclass(frozen=True)
class QualityMask(Settings):
    """Phase-quality masking on top of the brain mask."""

    threshold: float = setting(
        0.3, "voxels whose ROMEO quality (0 bad, 1 good) is below this leave the mask; 0 keeps all", low=0, high=1
    )
    fill_holes: bool = setting(True, "close the holes that the threshold tore inside the brain")


@dataclass(frozen=True)
class CSFMask(Settings):
    """The fluid of the ventricles, where it is the reference and no mask of it is supplied."""

    threshold: float = setting(5.0, "R2* below which a voxel may be fluid, 1/s", low=0.1)
    radius: float = setting(30.0, "how far from the middle of the brain fluid is looked for, mm", low=0.1)
    smoothing: float = setting(0.6, "SD of the Gaussian that smooths R2* first, mm; 0 for none", low=0)


@dataclass(frozen=True)
class Unwrap(Settings):
    """Phase unwrapping."""

    method: str = setting(
        "romeo",
        "romeo, best_path (scikit-image) and segue find whole turns; laplacian is smooth, and leaves a background out",
        choices=("romeo", "best_path", "segue", "laplacian"),
    )
    echoes: str = setting(
        "template",
        "template: the first echo is unwrapped in space and the others after it in time; individual: each in space",
        choices=("template", "individual"),
    )
    bipolar: str = setting(
        "auto",
        "remove the phase ramp between odd and even echoes of a bipolar readout: auto where three echoes show one",
        choices=("auto", "yes", "no"),
    )
    remove_offset: bool = setting(
        True, "estimate the receiver phase offset from two echoes (MCPC-3D-S) and remove it first"
    )


@dataclass(frozen=True)
class Field(Settings):
    """Total field from the unwrapped echoes."""

    method: str = setting(
        "weighted",
        "weighted: line through the unwrapped phases; nonlinear: fit of the complex signal, which forgives wrong "
        "multiples of 2 pi in the third and later echoes",
        choices=("weighted", "nonlinear"),
    )
    max_iterations: int = setting(20, "most iterations of the nonlinear fit", low=1)
    tolerance: float = setting(1e-4, "relative change of the phase at which the nonlinear fit stops", low=0)


@dataclass(frozen=True)
class VSharp(Settings):
    """Background removal by V-SHARP."""

    max_radius: float = setting(12.0, "largest sphere, mm", low=0, high=100)
    min_radius: float = setting(1.0, "smallest sphere, mm, at least one voxel; the mask is eroded by it", low=0)
    deconvolution: str = setting(
        "fit",
        "fit: sources in the mask, under the sphere of each voxel; inverse: the largest sphere's, as published",
        choices=("fit", "inverse"),
    )
    iterations: int = setting(10, "iterations of the fit", low=1)
    threshold: float = setting(0.05, "truncation of the inverse", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_radius < self.min_radius:
            raise ConfigError(f"max_radius: {self.max_radius:g} is below min_radius, {self.min_radius:g}")


_RESCALE = "undo what truncation takes from all susceptibilities: truer means, more noise"


@dataclass(frozen=True)
class RESHARP(Settings):
    """Background removal by RESHARP."""

    radius: float = setting(6.0, "sphere, mm, at least one voxel; the mask is eroded by it", low=0, high=100)
    weight: float = setting(1e-3, "regularisation weight of the local field", low=0)
    tolerance: float = setting(1e-3, "relative residual at which the solver stops", low=0)
    max_iterations: int = setting(50, "most iterations of the solver", low=1)


@dataclass(frozen=True)
class LBV(Settings):
    """Background removal by Laplacian boundary values."""

    peel: float = setting(2.0, "erosion of the mask before the values on its surface are taken, mm", low=0)
    tolerance: float = setting(1e-4, "relative residual at which the solver stops", low=0)
    max_iterations: int = setting(30, "most iterations of the solver", low=1)


@dataclass(frozen=True)
class PDF(Settings):
    """Background removal by projection onto dipole fields."""

    tolerance: float = setting(5e-4, "relative residual at which the solver stops", low=0)
    max_iterations: int = setting(100, "most iterations of the solver", low=1)


@dataclass(frozen=True)
class ISMV(Settings):
    """Background removal by iterated spherical means."""

    radius: float = setting(4.0, "sphere, mm, at least one voxel; the mask is eroded by it", low=0, high=100)
    tolerance: float = setting(1e-3, "relative residual at which the solver stops", low=0)
    max_iterations: int = setting(100, "most iterations of the solver", low=1)


@dataclass(frozen=True)
class TKD(Settings):
    """Truncated k-space division."""

    threshold: float = setting(0.15, "dipole values nearer to zero than this are truncated", low=0, high=2 / 3)
    rescale: bool = setting(False, _RESCALE)


@dataclass(frozen=True)
class TSVD(Settings):
    """Truncated singular value decomposition."""

    threshold: float = setting(0.1, "where the dipole is nearer to zero, k-space stays empty", low=0, high=0.66)
    rescale: bool = setting(False, _RESCALE)


@dataclass(frozen=True)
class L2(Settings):
    """Closed-form inversion with a quadratic gradient penalty."""

    weight: float = setting(0.01, "regularisation weight of the gradient penalty", low=0)


_WEIGHT = "weight of the penalty, ppm mm; grows with the noise"
_TOLERANCE = "relative change of an iteration at which the solver stops"
_MOST = "most iterations"


@dataclass(frozen=True)
class RTS(Settings):
    """Rapid two-step inversion."""

    threshold: float = setting(0.15, "where the dipole is nearer to zero, k-space is filled", low=0, high=0.66)
    weight: float = setting(2e-3, _WEIGHT, low=1e-9)
    steps: int = setting(6, "steps of the first part; more bring noise", low=1)
    tolerance: float = setting(0.02, _TOLERANCE, low=0)
    max_iterations: int = setting(50, _MOST, low=1)


@dataclass(frozen=True)
class TV(Settings):
    """Inversion with a penalty of total variation."""

    weight: float = setting(1.5e-4, _WEIGHT, low=1e-9)
    tolerance: float = setting(0.02, _TOLERANCE, low=0)
    max_iterations: int = setting(50, _MOST, low=1)


@dataclass(frozen=True)
class NLTV(TV):
    """`TV` of the field as a phase."""


@dataclass(frozen=True)
class TGV(TV):
    """Inversion with a penalty of total generalised variation."""


@dataclass(frozen=True)
class NLTGV(TGV):
    """`TGV` of the field as a phase."""


@dataclass(frozen=True)
class NDI(Settings):
    """Nonlinear dipole inversion."""

    weight: float = setting(3e-3, "weight of the squared susceptibility; 0 leaves regularisation to the stop", low=0)
    tolerance: float = setting(0.05, _TOLERANCE, low=0)
    max_iterations: int = setting(30, _MOST, low=1)


@dataclass(frozen=True)
class WHTV(Settings):
    """Total-variation inversion that takes out the background that is left."""

    weight: float = setting(1.5e-4, _WEIGHT, low=1e-9)
    harmonic_weight: float = setting(100.0, "how exactly harmonic that background is, mm^4", low=1e-9)
    tolerance: float = setting(0.01, _TOLERANCE, low=0)
    max_iterations: int = setting(60, _MOST, low=1)


@dataclass(frozen=True)
class ILSQR(Settings):
    """Least squares, then the streaking artefacts estimated and removed."""

    threshold: float = setting(0.2, "dipole values nearer to zero than this may hold artefacts", low=0, high=2 / 3)
    tolerance: float = setting(0.03, "relative residual at which the estimate of the artefacts stops", low=0)
    max_iterations: int = setting(50, "most iterations of that estimate", low=1)


@dataclass(frozen=True)
class MEDI(Settings):
    """Nonlinear inversion whose gradient penalty spares the edges of the magnitude."""

    weight: float = setting(4e-4, "regularisation weight of the gradient penalty, ppm mm", low=0)
    edges: float = setting(0.3, "share of the magnitude's differences that count as edges", low=0, high=0.99)
    csf_weight: float = setting(0.1, "weight of the spread in the cerebrospinal fluid, where its mask is given", low=0)
    tolerance: float = setting(0.02, "relative change of a step at which the solver stops", low=0)
    max_iterations: int = setting(10, "most Gauss-Newton steps", low=1)


@dataclass(frozen=True)
class Registration(Settings):
    """Rigid registration of the orientations to the reference."""

    method: str = setting(
        "auto",
        "auto takes FSL FLIRT where flirt is installed, else the embedded method",
        choices=("auto", "embedded", "flirt"),
    )


@dataclass(frozen=True)
class COSMOS(Settings):
    """Susceptibility from several orientations."""

    margin: float = setting(4.0, "how far outside the masks sources may lie, mm", low=0)
    tolerance: float = setting(0.01, "relative residual at which the least-squares solver stops", low=0)
    max_iterations: int = setting(50, "most iterations of the least-squares solver", low=1)


@dataclass(frozen=True)
class Reference(Settings):
    """The zero of every susceptibility map."""

    reference: str = setting(
        "none",
        "where the mean becomes zero: brain, csf (supplied or found by its R2*), a supplied mask; none: as it comes",
        choices=("none", "brain", "csf", "mask"),
    )


@dataclass(frozen=True)
class WeightChoice(Settings):
    """How the weight of a regularised inversion comes about."""

    choose_weight: str = setting(
        "none",
        "none: the weight as it is set; else by 9 inversions, from a hundredth to a hundred times that: "
        "where the map changes least with the weight (quasioptimality), or the inflection point of the L-curve",
        choices=("none", "quasioptimality", "lcurve"),
    )


@dataclass(frozen=True)
class TwoPass(Settings):
    """Strong sources first, then the rest."""

    two_pass: float = setting(
        0.0, "sources stronger than this, ppm, are inverted first and their field taken out; 0: one pass", low=0
    )


@dataclass(frozen=True)
class OrientationWeights(Settings):
    """What each orientation counts in COSMOS."""

    orientation_weights: str = setting(
        "equal",
        "equal; or residual: inverse to how far its field is from that of a first, equally weighted map",
        choices=("equal", "residual"),
    )


@dataclass(frozen=True)
class Config(OrientationWeights, TwoPass, WeightChoice, Reference):
    """Everything a `qsmflow run` can be told about its stages; the TOML tables carry these names."""

    background: str = setting("vsharp", "background removal", choices=tuple(BACKGROUNDS))
    inversion: tuple[str, ...] = setting(("tkd", "l2"), "inversions of each orientation", choices=INVERSIONS)
    orientation_entity: str = setting("acq", "BIDS entity that tells the orientations of one head apart")
    grappa: GRAPPA = field(default_factory=GRAPPA)
    espirit: ESPIRiT = field(default_factory=ESPIRiT)
    coil_combine: CoilCombine = field(default_factory=CoilCombine)
    scale_phase: ScalePhase = field(default_factory=ScalePhase)
    brain_mask: BrainMask = field(default_factory=BrainMask)
    quality_mask: QualityMask = field(default_factory=QualityMask)
    csf_mask: CSFMask = field(default_factory=CSFMask)
    unwrap: Unwrap = field(default_factory=Unwrap)
    vsharp: VSharp = field(default_factory=VSharp)
    resharp: RESHARP = field(default_factory=RESHARP)
    lbv: LBV = field(default_factory=LBV)
    pdf: PDF = field(default_factory=PDF)
    ismv: ISMV = field(default_factory=ISMV)
    tkd: TKD = field(default_factory=TKD)
    tsvd: TSVD = field(default_factory=TSVD)
    l2: L2 = field(default_factory=L2)
    ilsqr: ILSQR = field(default_factory=ILSQR)
    rts: RTS = field(default_factory=RTS)
    tv: TV = field(default_factory=TV)
    nltv: NLTV = field(default_factory=NLTV)
    tgv: TGV = field(default_factory=TGV)
    nltgv: NLTGV = field(default_factory=NLTGV)
    ndi: NDI = field(default_factory=NDI)
    whtv: WHTV = field(default_factory=WHTV)
    medi: MEDI = field(default_factory=MEDI)
    registration: Registration = field(default_factory=Registration)
    cosmos: COSMOS = field(default_factory=COSMOS)
    # last, because from here on `field` is this setting and no longer the function
    field: Field = field(default_factory=Field)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.field.method == "nonlinear" and self.unwrap.method == "laplacian":
            raise ConfigError("field.method: nonlinear needs phase true to 2 pi: set unwrap.method to another")
        weighted = [name for name in INVERSIONS if hasattr(getattr(self, name), "weight")]
        if self.choose_weight != "none" and not set(weighted) & set(self.inversion):
            told = f"no inversion of {', '.join(self.inversion)} has a weight; take one of {', '.join(weighted)}"
            raise ConfigError(f"choose_weight: {told}")


@dataclass(frozen=True)
class Simulate(Settings):
    """A simulated BIDS dataset."""

    subjects: int = setting(
        1, "number of subjects; each has an anatomy of its own, unless labels are given", low=1, high=99
    )
    orientations: int = setting(
        1, "number of head orientations, drawn at random; the first is straight", low=1, high=99
    )
    angles: tuple[str, ...] = setting(
        (), "orientations as pitch,roll,yaw in degrees (about x, y, z, in this order) instead of random ones"
    )
    max_angle: float = setting(25.0, "largest angle of a random orientation to the first, degrees", low=0, high=90)
    max_shift: float = setting(3.0, "largest random shift of the head between orientations along an axis, mm", low=0)
    voxel_size: tuple[float, ...] = setting((1.0,), "voxel size in mm: one number, or three")
    shape: tuple[int, ...] = setting((), "voxels along x, y, z; without it the grid holds the head in all orientations")
    oblique: tuple[float, ...] = setting(
        (0.0, 0.0, 0.0), "tilt of the acquired grid about x, y, z in degrees; the head stays where it is"
    )
    te: tuple[float, ...] = setting((0.004, 0.012, 0.020, 0.028), "echo times, s, ascending")
    b0: float = setting(3.0, "field strength, T", low=0.1, high=20)
    snr: float = setting(
        60.0, "mean brain magnitude of the first echo over the noise SD of a channel; inf for none", low=1
    )
    coils: int = setting(
        0,
        "receive coils, whose k-space is written to sourcedata as ISMRMRD instead of images; 0 for images",
        low=0,
        high=128,
    )
    acceleration: str = setting("1x1", "undersampling of the k-space along y and z")
    calibration: int = setting(24, "lines of the centre of k-space that are all acquired, along y and z", low=0)
    supersample: int = setting(2, "points along each axis of a voxel at which the head is looked at", low=1, high=8)
    seed: int = setting(0, "of anatomy, orientations, receiver and noise; the same seed gives the same files", low=0)
    labels: str = setting("", "label map (NIfTI) to take as the head instead of the procedural one")
    chi: str = setting("", "tissue table of the labels: a TSV file, or head or rc2 for those of the package")
    brain: str = setting(
        "", "mask (NIfTI) on the grid of the label map: what counts as brain; without it the table says"
    )
