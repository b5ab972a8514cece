"""One series from its files: which file is what, and what the sidecars say of the acquisition."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from qsmflow.bids.filenames import FileName, natural_key
from qsmflow.bids.naming import sidecar_path
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.rawdata import read_raw_header
from qsmflow.bids.series import Series
from qsmflow.bids.sidecars import Sidecars
from qsmflow.core.phase import PHASE_UNITS

#: T; below and above lies no scanner that images heads.
FIELD_RANGE = (0.01, 25.0)
#: s; a longer echo time is one in milliseconds.
LONGEST_ECHO = 1.0

_Parts = dict[str, dict[int, Path]]


@dataclass(frozen=True)
class Image:
    """A file of a series."""

    path: Path
    name: FileName


def assemble(
    entities: dict[str, str], images: Sequence[Image], supplied: dict[str, Path], sidecars: Sidecars
) -> tuple[Series | None, list[RefusalError]]:
    """The series that `images` make, or None and everything that is missing, said twice or impossible.

    Where a total or local field is supplied, phase is left out, and echo times and field strength may be missing.
    """
    if images[0].name.extension == ".h5":
        return _assemble_raw(entities, images, supplied)
    if "coil" in images[0].name.entities:
        return _assemble_coils(entities, images, supplied, sidecars)
    refusals: list[RefusalError] = []
    try:
        parts = _by_part(images)
        field_given = bool({"total", "local"} & supplied.keys())
        used = ("mag",) if field_given else _pair(parts)
        files = {part: _in_order(parts.get(part, {})) for part in used}
        every = [path for paths in files.values() for path in paths]
        told = {path: sidecars.metadata(path) for path in every}
    except RefusalError as refusal:
        return None, [refusal]

    def attempt(read: Callable[..., Any], *args: Any) -> Any:
        try:
            return read(*args)
        except RefusalError as refusal:
            refusals.append(refusal)

    acquired: dict[str, Any] = {"b0_dir": attempt(_b0_dir, told)}
    echoes = list(zip(*files.values(), strict=True))
    if not field_given or _all_tell("EchoTime", told):
        acquired["echo_times"] = attempt(_echo_times, echoes, told)
    if not field_given or _all_tell("MagneticFieldStrength", told):
        acquired["field_strength"] = attempt(_field_strength, told)
    if not field_given:
        acquired["phase_units"] = attempt(_phase_units, {path: told[path] for path in files.get("phase", ())})
    if refusals:
        return None, refusals
    names = {"mag": "magnitude"}
    acquired |= {names.get(part, part): paths for part, paths in files.items()}
    return Series(entities, supplied=supplied, **acquired), []


def _assemble_raw(
    entities: dict[str, str], images: Sequence[Image], supplied: dict[str, Path]
) -> tuple[Series | None, list[RefusalError]]:
    """The series of raw data: one file with all echoes, or one an echo."""
    try:
        files = _in_order(_by_part(images)["mag"])
        headers = [read_raw_header(path) for path in files]
        times = [te for header in headers for te in header.echo_times]
        if times != sorted(set(times)):
            raise RefusalError(files[0], "TE", "not ascending over the files", "number the echoes by their times")
        strengths = {header.field_strength for header in headers}
        strength = strengths.pop()
        if strength is None or strengths:
            what = "missing" if strength is None else "not the same in all files"
            raise RefusalError(files[0], "systemFieldStrength_T", what, "give it in tesla in the header")
    except RefusalError as refusal:
        return None, [refusal]
    return Series(entities, raw=files, echo_times=tuple(times), field_strength=strength, supplied=supplied), []


def _assemble_coils(
    entities: dict[str, str], images: Sequence[Image], supplied: dict[str, Path], sidecars: Sidecars
) -> tuple[Series | None, list[RefusalError]]:
    """The series of uncombined coils: magnitude and phase of each coil and echo, a file each."""
    coils: dict[str, list[Image]] = {}
    for image in images:
        coils.setdefault(image.name.entities["coil"], []).append(image)
    try:
        parts = [_by_part(coils[coil]) for coil in sorted(coils, key=natural_key)]
        for found in parts:
            if _pair(found) != ("phase", "mag"):
                mend = "give magnitude and phase of each coil"
                raise RefusalError(images[0].path, "part", "real and imaginary parts of coils are not read", mend)
            if found["mag"].keys() != parts[0]["mag"].keys():
                odd = _in_order(found["mag"])[0]
                raise RefusalError(odd, "echo", "not all coils have the same echoes", "add what is missing")
        numbers = sorted(parts[0]["mag"])
        magnitude, phase = (tuple(one[part][n] for n in numbers for one in parts) for part in ("mag", "phase"))
        told = {path: sidecars.metadata(path) for path in (*magnitude, *phase)}
        echoes = [tuple(one[part][n] for part in ("mag", "phase") for one in parts) for n in numbers]
        return Series(
            entities,
            coil_magnitude=magnitude,
            coil_phase=phase,
            echo_times=_echo_times(echoes, told),
            field_strength=_field_strength(told),
            phase_units=_phase_units({path: told[path] for path in phase}),
            b0_dir=_b0_dir(told),
            supplied=supplied,
        ), []
    except RefusalError as refusal:
        return None, [refusal]


def _by_part(images: Iterable[Image]) -> _Parts:
    """Files by part and echo number, 0 where the name has none; a file without part is a magnitude."""
    parts: _Parts = {}
    for image in images:
        part, echo = image.name.entities.get("part", "mag"), image.name.entities.get("echo", "0")
        if part not in ("mag", "phase", "real", "imag"):
            raise RefusalError(image.path, "part", f"no part {part!r} in BIDS", "name it mag, phase, real or imag")
        if not echo.isdecimal():
            raise RefusalError(image.path, "echo", f"{echo!r} is no number", "number the echoes from 1")
        echoes = parts.setdefault(part, {})
        if int(echo) in echoes:
            twin = echoes[int(echo)].name
            raise RefusalError(image.path, "name", f"{twin} is the same part of the same echo", "keep one of the two")
        echoes[int(echo)] = image.path
    return parts


def _in_order(echoes: Mapping[int, Path]) -> tuple[Path, ...]:
    return tuple(echoes[echo] for echo in sorted(echoes))


def _pair(parts: _Parts) -> tuple[str, str]:
    """The two parts that are used, each with the same echoes."""
    if "phase" in parts:
        pair = ("phase", "mag")
    elif "real" in parts or "imag" in parts:
        pair = ("real", "imag")
    else:
        first = _in_order(parts["mag"])[0]
        mend = "add part-phase files, or supply a field with --derivatives local=PATH"
        raise RefusalError(first, "part-phase", "no phase beside this magnitude", mend)
    for one, other in (pair, pair[::-1]):
        for echo, path in parts.get(one, {}).items():
            if echo not in parts.get(other, {}):
                raise RefusalError(path, f"part-{other}", f"no part-{other} beside this part-{one}", "add it")
    return pair


def _echo_times(echoes: Iterable[tuple[Path, ...]], told: Mapping[Path, Mapping[str, Any]]) -> tuple[float, ...]:
    """s, of the echoes in order; the list in the sidecar of a 4-D file where there is one."""
    times: list[tuple[float, Path]] = []
    for files in echoes:
        for path in files:
            given = told[path].get("EchoTime")
            for one in given if isinstance(given, list) else [given]:
                if one is not None:
                    _check_echo_time(path, one)
        value, path = _agreed("EchoTime", files, told, "add it, in seconds")
        values = value if isinstance(value, list) else [value]
        times += [(float(one), path) for one in values]
    for (earlier, _), (later, path) in pairwise(times):
        if not earlier < later:
            wrong = "the same as" if earlier == later else "shorter than"
            message = f"{later:g} s is {wrong} that of the echo before, {earlier:g} s"
            raise RefusalError(sidecar_path(path), "EchoTime", message, "number the echoes by their times")
    return tuple(time for time, _ in times)


def _check_echo_time(path: Path, value: Any) -> None:
    file = sidecar_path(path)
    if not _is_number(value) or value <= 0:
        raise RefusalError(file, "EchoTime", f"{value!r} is no time", "give it in seconds")
    if value > LONGEST_ECHO:
        raise RefusalError(file, "EchoTime", f"{value:g} s is too long: milliseconds?", "give it in seconds")


def _field_strength(told: Mapping[Path, Mapping[str, Any]]) -> float:
    low, high = FIELD_RANGE
    for path, content in told.items():
        value = content.get("MagneticFieldStrength")
        if value is not None and (not _is_number(value) or not low <= value <= high):
            message = f"{value!r} T is no field strength of a scanner"
            raise RefusalError(sidecar_path(path), "MagneticFieldStrength", message, "give it in tesla")
    value, _ = _agreed("MagneticFieldStrength", told, told, "add it, in tesla")
    return float(value)


def _b0_dir(told: Mapping[Path, Mapping[str, Any]]) -> tuple[float, float, float] | None:
    """The unit vector ``B0_dir`` of the sidecars; None where there is none."""
    if not any("B0_dir" in content for content in told.values()):
        return None
    value, path = _agreed("B0_dir", told, told, "")
    mend = "give a unit vector along the voxel axes, such as [0, 0, 1]"
    if not (isinstance(value, list) and len(value) == 3 and all(_is_number(one) for one in value)):
        raise RefusalError(sidecar_path(path), "B0_dir", f"{value!r} is no list of three numbers", mend)
    length = math.hypot(*value)
    if not math.isclose(length, 1.0, abs_tol=0.01):
        raise RefusalError(sidecar_path(path), "B0_dir", f"{value!r} has length {length:.3g}", mend)
    x, y, z = (one / length for one in value)
    return x, y, z


def _phase_units(told: Mapping[Path, Mapping[str, Any]]) -> str | None:
    """``Units`` of the first image; whether the others agree is told with their voxels."""
    for path, content in told.items():
        if content.get("Units") not in (None, *PHASE_UNITS):
            mend = 'bring the values to radians and say "rad", or say "arbitrary" of those that a scanner stores'
            raise RefusalError(sidecar_path(path), "Units", f"{content['Units']!r} is no unit of phase in BIDS", mend)
    return next((content.get("Units") for content in told.values()), None)


def _agreed(field: str, files: Iterable[Path], told: Mapping[Path, Mapping[str, Any]], mend: str) -> tuple[Any, Path]:
    """The one value of `field` that those sidecars tell which have it, and the first of their images."""
    paths = list(files)
    having = [path for path in paths if told[path].get(field) is not None]
    if not having:
        raise RefusalError(sidecar_path(paths[0]), field, "missing", mend)
    value = told[having[0]][field]
    for path in having[1:]:
        if told[path][field] != value:
            message = f"{told[path][field]!r}, but {value!r} in {sidecar_path(having[0]).name}"
            raise RefusalError(sidecar_path(path), field, message, "make the two agree")
    return value, having[0]


def _all_tell(field: str, told: Mapping[Path, Mapping[str, Any]]) -> bool:
    return bool(told) and all(content.get(field) is not None for content in told.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
