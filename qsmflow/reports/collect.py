"""What a derivative dataset holds of one subject, sorted into heads and series by the names of the files alone."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib

from qsmflow.bids.filenames import natural_key, parse_name
from qsmflow.bids.naming import OUTPUTS, join_entities, sidecar_path, spread_of
from qsmflow.config import NETWORKS
from qsmflow.core.geometry import b0_direction
from qsmflow.errors import InputError
from qsmflow.reports.record import RunRecord, head_of

#: Entities that say what a derivative is, not which series it belongs to.
_OWN = ("desc", "echo", "part", "space", "from", "to", "mode")
#: The kinds that a run makes; the other two of `OUTPUTS` are of a simulation.
_COMPUTED = {*OUTPUTS, *map(spread_of, NETWORKS)} - {"truth", "labels"}


@dataclass(frozen=True)
class Found:
    """One derivative: its file, its entities, what it is (a key of `OUTPUTS`, or a map's own ``desc``), its sidecar."""

    path: Path
    entities: Mapping[str, str]
    kind: str
    suffix: str
    sidecar: Mapping[str, Any]

    def stated(self, *names: str) -> Any:
        """The first of `names` that the sidecar states, at its top or among what the stage measured or was told."""
        tables = (self.sidecar, *(self.sidecar.get(key) or {} for key in ("Measured", "Parameters")))
        return next((table[name] for name in names for table in tables if name in table), None)

    @property
    def warnings(self) -> list[str]:
        """What its stage wants looked at."""
        told = self.sidecar.get("Warnings") or []
        return [told] if isinstance(told, str) else [str(text) for text in told]


@dataclass(frozen=True)
class SeriesFiles:
    """The derivatives of one series: in its own frame (`native`) and in the reference frame (`moved`), by kind.

    `label` is the value of the orientation entity, and the whole name where there is none.
    """

    entities: Mapping[str, str]
    label: str
    native: dict[str, Found] = field(default_factory=dict)
    moved: dict[str, Found] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``sub-01_acq-ori1``."""
        return join_entities(self.entities)

    def value(self, *names: str) -> Any:
        """The first of the sidecar keys `names` that a derivative of the series, in its own frame, states."""
        return next((value for f in self.native.values() if (value := f.stated(*names)) is not None), None)


@dataclass(frozen=True)
class HeadFiles:
    """The series that share one anatomy, what they share (`shared`, in the reference frame), and their transforms.

    `reference` is the label of the reference series; None where no transform ties the head's series together.
    """

    entities: Mapping[str, str]
    reference: str | None
    series: tuple[SeriesFiles, ...]
    shared: dict[str, Found]
    transforms: dict[str, Found]

    @property
    def name(self) -> str:
        """``sub-01`` or ``sub-01_ses-a``."""
        return join_entities(self.entities)


def series_b0(series: SeriesFiles) -> Sequence[float]:
    """Direction of B0 in the voxel axes of the files of `series`: as a sidecar states it, else from the affine."""
    stated = series.value("B0Direction", "B0_dir", "b0_dir")
    return stated if stated is not None else b0_direction(nib.load(next(iter(series.native.values())).path).affine)


def echo_times(series: SeriesFiles) -> list[float]:
    """Echo times, s, as the sidecars of `series` state them; empty where they do not."""
    stated = series.value("EchoTime", "EchoTimes")
    return [float(t) for t in (stated if isinstance(stated, list) else [] if stated is None else [stated])]


def collect(out_dir: Path, subject: str, without: Collection[Path] = ()) -> list[HeadFiles]:
    """Find the heads of `subject` (label without ``sub-``) in the derivative dataset `out_dir`.

    The transforms tell which entity names the orientation: it is the one whose value stands after ``from-``.
    Series that no transform names are heads of their own. The files `without` are passed over.
    """
    found = [f for f in _all_of(out_dir, subject) if f.path not in without]
    transforms = [f for f in found if f.kind == "xfm"]
    maps = [f for f in found if f.kind != "xfm"]
    heads = []
    used: set[str] = set()
    for shared, entity, reference in _heads(transforms, maps):
        own = [f for f in maps if _belongs(f, shared, entity)]
        used.update(str(f.path) for f in own)
        moves = {f.entities["from"]: f for f in transforms if _belongs(f, shared, entity)}
        together = {f.kind: f for f in own if entity not in f.entities}
        heads.append(HeadFiles(shared, reference, _series(own, entity, first=reference), together, moves))
    for single in _series([f for f in maps if str(f.path) not in used], None):
        heads.append(HeadFiles(single.entities, None, (single,), {}, {}))
    return sorted(heads, key=lambda head: natural_key(head.name))


def earlier_files(out_dir: Path, subject: str, records: Mapping[str, RunRecord]) -> list[Path]:
    """The derivatives of `subject` that an earlier run left, and the last run of their head did not make.

    What no run makes, such as a map of another program or the truth of a simulation, is none of them; where no record
    lists what its run made, there are none. `records` are those of the heads of the subject, see `of_subject`.
    """
    earlier = []
    for found in _all_of(out_dir, subject):
        head = head_of(found.entities, records)
        if head is None or found.kind not in _COMPUTED:
            continue
        if found.path.relative_to(out_dir).as_posix() not in records[head].derivatives[head]:
            earlier.append(found.path)
    return earlier


def _all_of(out_dir: Path, subject: str) -> list[Found]:
    """Every derivative of `subject`, in the order of their names."""
    paths = sorted((Path(out_dir) / f"sub-{subject}").rglob("sub-*"), key=lambda path: natural_key(path.name))
    return [f for path in paths if (f := _identify(path))]


def _identify(path: Path) -> Found | None:
    name = parse_name(path.name)
    if name is None or name.extension not in (".nii.gz", ".nii", ".txt"):
        return None
    desc = name.entities.get("desc")
    kind = next((k for k, o in OUTPUTS.items() if (o.suffix, o.desc) == (name.suffix, desc)), None)
    if kind is None and name.suffix == "Chimap":
        kind = desc
    return Found(path, name.entities, kind, name.suffix, _sidecar(path)) if kind else None


def _sidecar(path: Path) -> Mapping[str, Any]:
    beside = sidecar_path(path)
    if not beside.exists():
        return {}
    try:
        content = json.loads(beside.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{beside}: not readable as JSON ({error}); delete the derivative and run again") from error
    return content if isinstance(content, dict) else {}


def _stem(entities: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in entities.items() if key not in _OWN}


def _heads(transforms: Iterable[Found], maps: Sequence[Found]) -> list[tuple[dict[str, str], str, str]]:
    """What the series of each head share, the entity that tells them apart, and the label of the reference."""
    heads: dict[str, tuple[dict[str, str], str, str]] = {}
    for transform in transforms:
        source = transform.entities.get("from")
        stems = [_stem(f.entities) for f in maps]
        entity = next((k for stem in stems for k, v in stem.items() if v == source and k not in ("sub", "ses")), None)
        if entity is not None:
            shared = {key: value for key, value in _stem(transform.entities).items() if key != entity}
            heads[join_entities(shared)] = (shared, entity, transform.entities.get("to", ""))
    return list(heads.values())


def _belongs(found: Found, shared: Mapping[str, str], entity: str) -> bool:
    return {key: value for key, value in _stem(found.entities).items() if key != entity} == dict(shared)


def _series(found: Iterable[Found], entity: str | None, first: str | None = None) -> tuple[SeriesFiles, ...]:
    series: dict[str, SeriesFiles] = {}
    for f in found:
        stem = _stem(f.entities)
        if entity is not None and entity not in stem:
            continue
        name = join_entities(stem)
        one = series.setdefault(name, SeriesFiles(stem, stem[entity] if entity else name))
        (one.moved if "space" in f.entities else one.native)[f.kind] = f
    return tuple(sorted(series.values(), key=lambda one: (one.label != first, natural_key(one.name))))
