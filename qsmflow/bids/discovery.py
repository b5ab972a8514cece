"""What is in a BIDS dataset: heads, their series, and what cannot be used and why.

pybids is not asked. On 1000 subjects of 5 orientations, 3 echoes, magnitude and phase (30,000 images and as many
sidecars) its index takes 45 s and 0.7 GiB without metadata, and minutes with; narrowed to the images and entities that
matter it still takes 53 s. Listing the ``anat`` folders takes a fraction of a second, reading the sidecars a few. So
the folders are listed here, by the grammar of BIDS names, and nothing is left in the dataset. The tests hold names and
inherited metadata against pybids.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qsmflow.bids.acquisition import Image, assemble
from qsmflow.bids.filenames import in_order, natural_key, parse_name
from qsmflow.bids.filters import SUFFIXES, Filters, check_filters, matches
from qsmflow.bids.naming import join_entities
from qsmflow.bids.problems import Problem, RefusalError
from qsmflow.bids.series import Head, Series
from qsmflow.bids.sidecars import Sidecars
from qsmflow.bids.supplied import Supplied

#: Suffixes that other protocols use too: without phase such an image is no QSM series that lacks something.
_WITHOUT_PHASE = ("T2starw", "T2star")
#: How the names of images and of raw data end.
_IMAGES, _RAW = (".nii.gz", ".nii"), (".h5",)


@dataclass(frozen=True)
class Discovery:
    """What was found.

    Attributes
    ----------
    heads
        Those of which every series can be used as far as names and sidecars tell, in natural order.
    problems
        Everything else; a head with a problem that stops it is not among `heads`.
    """

    heads: tuple[Head, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Group:
    """The files of one series."""

    entities: dict[str, str]
    suffix: str
    images: list[Image]


def discover(
    bids_dir: Path,
    *,
    participants: Sequence[str] = (),
    sessions: Sequence[str] = (),
    orientation_entity: str = "acq",
    derivatives: Mapping[str, Path] | None = None,
    filters: Filters | None = None,
) -> Discovery:
    """Find the gradient-echo series of a dataset; reads names and sidecars, no image.

    Files are ``sub-*/[ses-*/]anat/*_{MEGRE,GRE,T2starw,T2star}.nii[.gz]``: one file an echo, one echo, or a 4-D file
    whose sidecar lists the echo times; magnitude (with ``part-mag`` or without part) and phase, or real and imaginary
    parts. Images of single coils (``coil-01``, with ``rec-uncombined`` or without) are taken for series that have no
    combined ones, and raw data, ``sourcedata/sub-*/[ses-*/]anat/*.h5`` (ISMRMRD), for those that have no images. Series
    of one subject and session that differ in the orientation entity alone are the orientations of one head; the first
    in natural order is the reference. Names are compared by whole entities.

    Parameters
    ----------
    bids_dir
        The dataset.
    participants, sessions
        Labels to take, with or without ``sub-`` and ``ses-``; none takes all.
    orientation_entity
        Entity (``acq``, ``run``, ...) that tells orientations apart.
    derivatives
        Supplied intermediates; see `qsmflow.bids.supplied.Supplied`.
    filters
        Content of a ``--bids-filter-file``; see `qsmflow.bids.filters.read_filters`.

    Raises
    ------
    RefusalError
        The request as a whole cannot be met: a subject or session that does not exist, no series at all, unusable
        `derivatives`.
    ValueError
        `filters` name what does not exist.
    """
    check_filters(filters or {})
    supplied = Supplied({name: Path(path) for name, path in (derivatives or {}).items()})
    wanted = {label.removeprefix("ses-") for label in sessions}
    heads: list[Head] = []
    problems: list[Problem] = []
    groups: dict[str, list[_Group]] = {}
    seen: set[str] = set()
    for subject in select_subjects(bids_dir, participants):
        groups[subject] = []
        for root, extensions in ((Path(bids_dir), _IMAGES), (Path(bids_dir) / "sourcedata", _RAW)):
            for session, anat in _anat_folders(root / f"sub-{subject}"):
                seen.add(session)
                if wanted and session not in wanted:
                    continue
                present = [(group.entities, group.suffix) for group in groups[subject]]
                found = _groups(anat, subject, session, filters or {}, problems, extensions)
                groups[subject] += [group for group in found if (group.entities, group.suffix) not in present]
    for session in sorted(wanted - seen):
        choice = ", ".join(sorted(seen - {""}, key=natural_key)) or "none"
        raise RefusalError(Path(bids_dir), "--session-label", f"no session {session!r}", f"the sessions are: {choice}")
    count = sum(map(len, groups.values()))
    if count == 0 and not problems:
        mend = f"the files sought are sub-*/[ses-*/]anat/*_{{{','.join(SUFFIXES)}}}.nii.gz, or .h5 in sourcedata"
        raise RefusalError(Path(bids_dir), "anat", "no gradient-echo series among the selected subjects", mend)
    for name, path in supplied.single.items():
        if count != 1:
            message = f"one file for {count} series"
            raise RefusalError(
                path, f"--derivatives {name}", message, "give a BIDS derivative dataset, or select one series"
            )
    sidecars = Sidecars()
    for subject, own in groups.items():
        if not own and not any(problem.subject == subject for problem in problems):
            folder = Path(bids_dir) / f"sub-{subject}"
            told = RefusalError(folder, "anat", "no gradient-echo series", "add one, or leave the subject out")
            problems.append(Problem.of(told, subject))
        heads += _heads(own, orientation_entity, supplied, sidecars, problems)
    return Discovery(tuple(heads), tuple(problems))


def select_subjects(bids_dir: Path, participants: Sequence[str] = ()) -> list[str]:
    """Labels of the subjects to take, in natural order; raises `RefusalError` for one that does not exist.

    A subject may have raw data alone, in ``sourcedata``.
    """
    roots = [root for root in (Path(bids_dir), Path(bids_dir) / "sourcedata") if root.is_dir()]
    entries = [entry for root in roots for entry in os.scandir(root) if entry.name.startswith("sub-")]
    present = sorted({e.name.removeprefix("sub-") for e in entries if e.is_dir()}, key=natural_key)
    wanted = {label.removeprefix("sub-") for label in participants}
    for label in sorted(wanted - set(present), key=natural_key):
        listed = ", ".join(present[:10]) + (", ..." if len(present) > 10 else "")
        mend = f"the subjects are: {listed or 'none'}"
        raise RefusalError(Path(bids_dir), "--participant-label", f"no folder sub-{label}", mend)
    return [label for label in present if not wanted or label in wanted]


def _anat_folders(subject: Path) -> Iterator[tuple[str, Path]]:
    """Session label (empty without sessions) and ``anat`` folder."""
    if not subject.is_dir():
        return
    if (subject / "anat").is_dir():
        yield "", subject / "anat"
    names = [entry.name for entry in os.scandir(subject) if entry.name.startswith("ses-")]
    for name in sorted(names, key=natural_key):
        if (subject / name / "anat").is_dir():
            yield name.removeprefix("ses-"), subject / name / "anat"


def _groups(
    anat: Path, subject: str, session: str, filters: Filters, problems: list[Problem], extensions: tuple[str, ...]
) -> list[_Group]:
    """The series in one folder; a file that says it belongs elsewhere is a problem."""
    place = {"sub": subject, "ses": session} if session else {"sub": subject}
    found: dict[str, _Group] = {}
    for entry in sorted(item.name for item in os.scandir(anat)):
        if not entry.endswith(extensions):
            continue
        name = parse_name(entry)
        if name is None or name.suffix not in SUFFIXES:
            continue
        facts = name.entities | {"suffix": name.suffix, "extension": name.extension, "datatype": "anat"}
        if not matches(facts, name.suffix, filters):
            continue
        if {key: name.entities.get(key) for key in ("sub", "ses")} != {"ses": None} | place:
            refusal = RefusalError(
                anat / entry, "name", f"does not begin with {join_entities(place)}", "rename or move it"
            )
            problems.append(Problem.of(refusal, subject))
            continue
        coil = "coil" in name.entities
        left = {"echo", "part", "coil"} | ({"rec"} if coil and name.entities.get("rec") == "uncombined" else set())
        entities = in_order({k: v for k, v in name.entities.items() if k not in left})
        key = f"{join_entities(entities)}_{name.suffix}{'_coils' if coil else ''}"
        found.setdefault(key, _Group(entities, name.suffix, [])).images.append(Image(anat / entry, name))
    for key in [key for key in found if f"{key}_coils" in found]:
        image = found.pop(f"{key}_coils").images[0].path
        refusal = RefusalError(image, "coil", "an uncombined coil, which is left out", "the combined images are taken")
        problems.append(Problem.of(refusal, subject, stops=False))
    return sorted(found.values(), key=lambda group: natural_key(join_entities(group.entities)))


def _heads(
    groups: Iterable[_Group], entity: str, supplied: Supplied, sidecars: Sidecars, problems: list[Problem]
) -> Iterator[Head]:
    """The usable heads among the series of one subject; reports the others in `problems`."""
    together: dict[str, list[_Group]] = {}
    for group in groups:
        rest = {key: value for key, value in group.entities.items() if key != entity}
        together.setdefault(f"{join_entities(rest)}_{group.suffix}", []).append(group)
    usable: dict[str, Head] = {}
    aside: list[Problem] = []
    for members in together.values():
        members.sort(key=lambda group: natural_key(group.entities.get(entity, "")))
        head, faults = _head(members, entity, supplied, sidecars)
        if head is not None and head.name in usable:
            mend = "select one of them with --bids-filter-file"
            twin = RefusalError(
                members[0].images[0].path, "suffix", f"{head.name} exists with another suffix too", mend
            )
            problems.append(Problem.of(twin, head.entities["sub"], head.series[0].name))
        elif head is not None:
            usable[head.name] = head
        elif _is_bystander(members, faults):
            aside += faults
        else:
            problems += faults
    problems += [replace(problem, stops=not usable) for problem in aside]
    problems += _apart(list(usable.values()), entity)
    yield from usable.values()


def _apart(heads: Sequence[Head], entity: str) -> list[Problem]:
    """A notice for heads of one series each that differ in one other entity: they may be orientations of one head."""
    noticed: list[Problem] = []
    together: dict[tuple[str, str], list[Series]] = {}
    for head in heads:
        if len(head.series) == 1:
            for other in set(head.entities) - {"sub", "ses", entity}:
                rest = {key: value for key, value in head.entities.items() if key != other}
                together.setdefault((other, join_entities(rest)), []).append(head.series[0])
    for (other, _), series in sorted(together.items()):
        if len(series) > 1:
            first = series[0]
            message = f"{len(series)} series differ in {other}- alone and are taken for as many heads"
            mend = f"if they are orientations of one head, add --orientation-entity {other}"
            refusal = RefusalError(first.files[0], other, message, mend)
            noticed.append(Problem.of(refusal, first.entities["sub"], first.name, stops=False))
    return noticed


def _is_bystander(members: Sequence[_Group], faults: Sequence[Problem]) -> bool:
    """Whether these are images of another protocol, which only look like series without phase."""
    named = any("part" in image.name.entities for group in members for image in group.images)
    lacking = all(fault.field == "part-phase" for fault in faults)
    return members[0].suffix in _WITHOUT_PHASE and lacking and not named


def _head(
    members: Sequence[_Group], entity: str, supplied: Supplied, sidecars: Sidecars
) -> tuple[Head | None, list[Problem]]:
    """The head of which `members` are the orientations, or None and everything that stops it."""
    found: list[Series] = []
    problems: list[Problem] = []
    reference = members[0].entities
    shared = {key: value for key, value in reference.items() if key != entity}
    for group in members:
        refusals: list[RefusalError] = []
        try:
            if len(members) > 1 and entity not in group.entities:
                message = f"one of {len(members)} orientations has no {entity}- in its name"
                raise RefusalError(
                    group.images[0].path, entity, message, f"name the orientation, such as {entity}-ori1"
                )
            given = supplied.of_series(group.entities)
            if group is members[0]:
                given |= supplied.of_head(shared, reference, entity)
            series, refusals = assemble(group.entities, group.images, given, sidecars)
            if series is not None:
                found.append(series)
        except RefusalError as refusal:
            refusals = [refusal]
        problems += [Problem.of(told, reference["sub"], join_entities(group.entities)) for told in refusals]
    return (None if problems else Head(shared, tuple(found), entity)), problems
