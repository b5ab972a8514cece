"""Every bad input is refused here, before anything is computed: first the dataset, then the images of each head."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from qsmflow.bids.atlas import check_atlas
from qsmflow.bids.discovery import select_subjects
from qsmflow.bids.header import Header, read_header
from qsmflow.bids.labels import label_names
from qsmflow.bids.naming import sidecar_path
from qsmflow.bids.problems import Problem, RefusalError
from qsmflow.bids.series import MASKS, Head, Series
from qsmflow.bids.sidecars import Sidecars, read_json
from qsmflow.bids.voxels import FactsCache, VoxelFacts
from qsmflow.config import NONLINEAR, Config
from qsmflow.core.geometry import SAME_PLACE, grids_apart
from qsmflow.core.phase import phase_scaling

#: mm; what is outside is not an image of a head, of man or mouse.
VOXEL_RANGE = (0.01, 20.0)
#: Largest cosine of the angle between two axes of an image.
SHEAR = 0.01
#: ppm; no field in a head is larger.
LARGEST_FIELD = 200.0


def check_layout(bids_dir: Path, out_dir: Path | None = None, participants: Sequence[str] = ()) -> None:
    """Refuse what stops the whole run.

    Parameters
    ----------
    bids_dir
        The dataset.
    out_dir
        Where derivatives are to go; None when nothing is written.
    participants
        Labels asked for.

    Raises
    ------
    RefusalError
        The dataset does not exist or lacks its description, a subject does not exist, the output lies in the input
        (other than in a folder of ``BIDS/derivatives``) or cannot be written.
    """
    if not bids_dir.is_dir():
        raise RefusalError(bids_dir, "BIDS", "no such folder", "give the folder that holds dataset_description.json")
    description = bids_dir / "dataset_description.json"
    if not description.is_file():
        raise RefusalError(description, "file", "missing", "add it, with Name and BIDSVersion")
    read_json(description)
    select_subjects(bids_dir, participants)
    if out_dir is not None:
        _check_output(bids_dir, out_dir)


def _check_output(bids_dir: Path, out_dir: Path) -> None:
    source, target = bids_dir.resolve(), out_dir.resolve()
    if target.is_relative_to(source) and source / "derivatives" not in target.parents:
        raise RefusalError(out_dir, "OUT", "lies inside the input", f"choose {bids_dir / 'derivatives' / 'qsmflow'}")
    existing = next(folder for folder in (target, *target.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise RefusalError(out_dir, "OUT", f"cannot be written ({error.strerror})", "choose another folder") from error


def check_head(
    head: Head, config: Config, *, voxels: bool = True, cache: FactsCache | None = None, threads: int = 1
) -> list[Problem]:
    """Everything in the images of `head` that stops it, or must be told.

    Parameters
    ----------
    head
        As `discover` found it.
    config
        Of the run; ``scale_phase.nonfinite`` decides on NaN and Inf, ``unwrap.bipolar`` on the echoes needed.
    voxels
        Also read the voxels, once a file; False reads headers alone.
    cache
        Facts of voxels read before; call its ``save`` at the end.
    threads
        Files read at a time.
    """
    problems: list[Problem] = [_problem(head, *item) for item in _check_field_strength(head)]
    for series in head.series:
        found = _first_of_each(_check_headers(series, config, is_single=len(head.series) == 1))
        found += [*_check_bipolar(series, config), *_check_coils(series, config)]
        problems += [_problem(head, series, *item) for item in found]
    if not voxels or any(problem.stops for problem in problems):
        return problems
    paths = (path for series in head.series for path in series.files if path not in series.raw)
    facts = (cache or FactsCache()).facts(paths, threads)
    sidecars = Sidecars()
    for series in head.series:
        found = _first_of_each(_check_voxels(series, config, facts, sidecars))
        problems += [_problem(head, series, *item) for item in found]
    return problems


_Found = tuple[RefusalError, bool]


def _problem(head: Head, series: Series, refusal: RefusalError, stops: bool) -> Problem:
    return Problem.of(refusal, head.entities["sub"], series.name, stops=stops)


def _first_of_each(found: Iterable[_Found]) -> list[_Found]:
    """One line for a fault that many files of a series share: the first file, and how many more there are."""
    kept: dict[str, list[_Found]] = {}
    for item in found:
        kept.setdefault(item[0].field, []).append(item)
    lines = []
    for items in kept.values():
        first, stops = items[0][0], any(stop for _, stop in items)
        if len(items) > 1:
            first = RefusalError(
                first.file, first.field, f"{first.message} (and {len(items) - 1} more files)", first.mend
            )
        lines.append((first, stops))
    return lines


def _check_field_strength(head: Head) -> Iterator[tuple[Series, RefusalError, bool]]:
    """One COSMOS needs one field strength, in which alone all local fields are those of one susceptibility."""
    known = [series for series in head.series if series.field_strength is not None]
    for series in known[1:]:
        if series.field_strength != known[0].field_strength:
            message = f"{series.field_strength:g} T, but {known[0].field_strength:g} T in {known[0].name}"
            mend = "orientations of one head are of one scanner: name other scans by another entity"
            yield series, RefusalError(series.files[0], "MagneticFieldStrength", message, mend), True


# --- headers -----------------------------------------------------------------------------------------------------


def _check_headers(series: Series, config: Config, *, is_single: bool) -> Iterator[_Found]:
    """Grids and echoes; `is_single` where the head has no other orientation."""
    if not (series.magnitude or series.real or series.has_coils):
        yield from _check_without_magnitude(series, config, is_single=is_single)
    yield from _check_reference(series, config)
    yield from _check_phase_scale(series, config)
    yield from ((refusal, True) for refusal in check_atlas(series))
    headers: dict[Path, Header] = {}
    for path in series.gridded:
        try:
            headers[path] = read_header(path)
            _check_grid(path, headers[path])
        except RefusalError as refusal:
            headers.pop(path, None)
            yield refusal, True
    if not headers:
        return
    first, reference = _usual(headers)
    if not reference.oriented and series.b0_dir is None:
        mend = "the third voxel axis is taken for B0; say B0_dir in the sidecar, or set the sform"
        yield RefusalError(first, "sform", "the header has no orientation", mend), False
    for path, header in headers.items():
        try:
            _check_same_grid(path, header, first, reference)
            _check_echoes(path, header, series)
        except RefusalError as refusal:
            yield refusal, True


def _usual(headers: dict[Path, Header]) -> tuple[Path, Header]:
    """The first file on the grid that most files have: those that differ from it are the odd ones."""

    def grid(header: Header) -> tuple[object, ...]:
        return (*header.shape[:3], *np.round(header.affine, 3).ravel().tolist())

    counts = Counter(grid(header) for header in headers.values())
    usual = counts.most_common(1)[0][0]
    return next(item for item in headers.items() if grid(item[1]) == usual)


def _check_without_magnitude(series: Series, config: Config, *, is_single: bool) -> Iterator[_Found]:
    file = next(iter(series.files))
    if not is_single:
        yield RefusalError(file, "part-mag", "no magnitude to register this orientation by", "add the magnitude"), True
    elif "mask" not in series.supplied:
        mend = "add the magnitude, or supply --derivatives mask=PATH"
        yield RefusalError(file, "part-mag", "no magnitude to find the brain in", mend), True
    elif "medi" in config.inversion:
        mend = "add the magnitude, or take another --inversion"
        yield RefusalError(file, "part-mag", "no magnitude for the edges of medi", mend), True


def _check_reference(series: Series, config: Config) -> Iterator[_Found]:
    name = {"csf": "csf", "mask": "reference"}.get(config.reference)
    if name is None or name in series.supplied or (name == "csf" and series.has_decay):
        return
    message = f"{config.reference}, but its mask is missing"
    if name == "csf":
        why = "a field is supplied" if series.has_field else "it takes the magnitudes of two echoes"
        message += f" and cannot be computed, because {why}"
    mend = f"supply --derivatives {name}=PATH, or take another --reference"
    yield RefusalError(series.files[0], "--reference", message, mend), True


def _check_phase_scale(series: Series, config: Config) -> Iterator[_Found]:
    """Beside a supplied field, the magnitudes alone tell how much phase it is."""
    taken = [name for name in config.inversion if name in (*NONLINEAR, "medi")]
    if not taken or (series.echo_times and series.field_strength):
        return
    field, unit = ("MagneticFieldStrength", "tesla") if series.echo_times else ("EchoTime", "seconds")
    if series.magnitude:
        file, mend = sidecar_path(series.magnitude[0]), f"add it, in {unit}"
    else:
        file = series.supplied["local" if "local" in series.supplied else "total"]
        mend = "add the magnitude with its sidecar"
    needy = [name for name in taken if name in NONLINEAR]
    if needy:
        message = f"missing, and {needy[0]} takes the supplied field as a phase"
        yield RefusalError(file, field, message, f"{mend}, or take another --inversion"), True
    else:
        message = "missing, so the data term of medi is linear"
        yield RefusalError(file, field, message, f"{mend}, for the nonlinear one"), False


def _check_grid(path: Path, header: Header) -> None:
    shape, affine = header.shape, header.affine
    if len(shape) not in (3, 4):
        raise RefusalError(path, "dim", f"{len(shape)} dimensions", "give a volume, with echoes as the fourth axis")
    if min(shape[:3]) < 2:
        raise RefusalError(
            path, "dim", f"a single slice, {_times(shape)}", "QSM needs a volume: give a 3-D acquisition"
        )
    low, high = VOXEL_RANGE
    if not np.isfinite(affine).all() or not all(low <= size <= high for size in header.voxel_size):
        sizes = _times(header.voxel_size)
        raise RefusalError(
            path, "affine", f"voxels of {sizes} mm", f"mend the header: voxels are {low:g} to {high:g} mm"
        )
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR:
        raise RefusalError(path, "affine", "its axes are not at right angles", "resample to a grid without shear")


def _check_same_grid(path: Path, header: Header, first: Path, reference: Header) -> None:
    shape, expected = header.shape[:3], reference.shape[:3]
    if shape != expected:
        raise RefusalError(
            path, "shape", f"{_times(shape)}, but {_times(expected)} in {first.name}", "give both on one grid"
        )
    apart = grids_apart(header.affine, reference.affine, shape)
    if apart > SAME_PLACE * min(reference.voxel_size):
        message = f"lays the grid up to {apart:.3g} mm from that of {first.name}"
        raise RefusalError(path, "affine", message, "give both on one grid")


def _check_echoes(path: Path, header: Header, series: Series) -> None:
    """One volume an echo: a file each, or all in one."""
    volumes = header.shape[3] if len(header.shape) == 4 else 1
    if path in series.supplied.values():
        if volumes != 1:
            raise RefusalError(path, "dim", f"{volumes} volumes", "give one volume")
        return
    if series.has_field or not series.echo_times or path in series.raw:
        return
    groups = (series.magnitude, series.phase, series.real, series.imag)
    alone = any(path in group and len(group) == 1 for group in groups)
    expected = len(series.echo_times) if alone else 1
    if volumes != expected:
        message = f"{expected} echo times for the {volumes} volumes of this file"
        raise RefusalError(path, "EchoTime", message, "list one time a volume in the sidecar")


def _check_bipolar(series: Series, config: Config) -> Iterator[_Found]:
    """Two echoes do not tell what a bipolar readout adds from the field."""
    phase = series.phase or series.real or series.raw or series.coil_phase
    if config.unwrap.bipolar == "yes" and phase and len(series.echo_times) < 3:
        mend = "a bipolar readout needs three: leave --unwrap-bipolar yes out"
        yield RefusalError(phase[0], "EchoTime", f"{len(series.echo_times)} in this series", mend), True


def _check_coils(series: Series, config: Config) -> Iterator[_Found]:
    """One echo does not tell the coils' phase offsets."""
    if series.has_coils and config.coil_combine.method == "offsets" and len(series.echo_times) < 2:
        mend = "choose --coil-combine-method espirit or adaptive"
        yield RefusalError(series.files[0], "EchoTime", "one echo, but the phase offsets of coils need two", mend), True


def _times(numbers: Sequence[float]) -> str:
    return "x".join(f"{number:.4g}" for number in numbers)


# --- voxels ------------------------------------------------------------------------------------------------------


def _check_voxels(
    series: Series, config: Config, read: Mapping[Path, VoxelFacts | RefusalError], sidecars: Sidecars
) -> Iterator[_Found]:
    facts: dict[Path, VoxelFacts] = {}
    for path in series.files:
        if path in series.raw:
            continue
        item = read[path]
        if isinstance(item, RefusalError):
            yield item, True
            continue
        facts[path] = item
        if item.nonfinite:
            handled = config.scale_phase.nonfinite == "zero" and item.nonfinite < item.voxels
            mend = "they are set to 0" if handled else "mend them, or add --scale-phase-nonfinite zero"
            yield RefusalError(path, "voxels", f"{item.nonfinite} are NaN or Inf", mend), not handled
    for path in (*series.magnitude, *series.real, *series.imag, *series.coil_magnitude):
        if path in facts and not facts[path].low < facts[path].high:
            yield RefusalError(path, "voxels", f"all are {facts[path].low:g}", "give the image that was acquired"), True
    for path in (*series.magnitude, *series.coil_magnitude):
        if path in facts and facts[path].low < 0:
            message = f"magnitude down to {facts[path].low:.5g}"
            yield RefusalError(path, "voxels", message, "give the magnitude as it was acquired, above zero"), True
    phase = series.phase or series.coil_phase
    if phase and all(path in facts for path in phase):
        yield from _check_phase(phase, [facts[path] for path in phase], sidecars)
    for name, path in series.supplied.items():
        if path in facts:
            yield from _SUPPLIED.get(name, _check_ppm)(path, facts[path])


def _check_phase(paths: Sequence[Path], facts: Sequence[VoxelFacts], sidecars: Sidecars) -> Iterator[_Found]:
    """All echoes together, as they are scaled together."""
    units = {path: sidecars.metadata(path).get("Units") for path in paths}
    path = paths[0]
    if len(set(units.values())) > 1:
        yield RefusalError(path, "Units", "not the same for all echoes", "store all echoes alike"), True
        return
    for file, item in zip(paths, facts, strict=True):
        if not item.low < item.high:
            message, mend = (
                f"every voxel is {item.low + 0.0:g}",
                "this file holds no phase: give the wrapped one, in radians",
            )
            yield RefusalError(file, "phase range", message, mend), True
            return
    low, high = min(item.low for item in facts), max(item.high for item in facts)
    try:
        phase_scaling(low, high, units[path])
    except ValueError as error:
        mend = 'give the wrapped phase in radians and say "Units": "rad" in the sidecar'
        if units[path] == "rad":
            mend = "bring the values to radians (degrees are a frequent cause), or correct Units"
        yield RefusalError(path, "phase range", str(error), mend), True


def _check_mask(path: Path, facts: VoxelFacts) -> Iterator[_Found]:
    if facts.nonzero == 0:
        yield RefusalError(path, "mask", "empty", "give a mask that covers the brain"), True
    elif facts.nonzero == facts.voxels:
        yield RefusalError(path, "mask", "every voxel is inside", "give a mask that covers the brain alone"), True
    elif facts.fractional:
        yield RefusalError(path, "mask", f"{facts.fractional} voxels are no whole numbers", "binarise it"), True


def _check_labels(path: Path, facts: VoxelFacts) -> Iterator[_Found]:
    if facts.nonzero == 0:
        yield RefusalError(path, "labels", "no region", "give a map of whole numbers above zero"), True
    elif facts.low < 0 or facts.fractional:
        message = f"{facts.fractional} voxels are no whole numbers, and values down to {facts.low:g}"
        yield RefusalError(path, "labels", message, "give a map of whole numbers, 0 outside every region"), True
    try:
        label_names(path)
    except RefusalError as refusal:
        yield refusal, True


def _check_ppm(path: Path, facts: VoxelFacts) -> Iterator[_Found]:
    largest = max(abs(facts.low), abs(facts.high))
    if not facts.low < facts.high:
        yield RefusalError(path, "voxels", f"all are {facts.low:g}", "give the map that was computed"), True
    elif largest > LARGEST_FIELD:
        yield RefusalError(path, "Units", f"values up to {largest:.4g} are not in ppm", "convert the map to ppm"), True


def _check_template(path: Path, facts: VoxelFacts) -> Iterator[_Found]:
    if facts.nonzero == facts.voxels:
        yield RefusalError(path, "template", "no voxel is zero", "set to zero what is not brain"), True


#: What is asked of the voxels of a supplied image that holds no ppm.
_SUPPLIED = {
    **dict.fromkeys(MASKS, _check_mask),
    **dict.fromkeys(("labels", "atlas"), _check_labels),
    "template": _check_template,
}
