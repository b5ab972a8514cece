"""Which series are taken: the content of a ``--bids-filter-file``, as fMRIPrep's users write it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qsmflow.bids.filenames import known_entity
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.sidecars import read_json

#: Suffixes under which BIDS stores gradient-echo images.
SUFFIXES = ("MEGRE", "GRE", "T2starw", "T2star")
#: Queries of other programs, which may share one filter file with ours.
_OTHERS = ("t1w", "t2w", "flair", "bold", "sbref", "fmap", "roi", "dwi", "asl", "pet")
_LONG_NAMES = {
    "subject": "sub",
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "tracer": "trc",
    "reconstruction": "rec",
    "direction": "dir",
    "modality": "mod",
    "staining": "stain",
}
_FACTS = ("suffix", "extension", "datatype")

Filters = Mapping[str, Mapping[str, Any]]


def read_filters(path: Path) -> dict[str, dict[str, Any]]:
    """Read a filter file: ``{"megre": {"session": "pre", "acquisition": ["ori1", "ori2"]}}``.

    The queries are the suffixes in lower case; entities go by their long or short names. A value may be a string, a
    number, a list of which one must match, ``null`` (the entity must be absent) or ``"*"`` (it must be present).

    Raises
    ------
    RefusalError
        The file cannot be read or asks for a query or an entity that does not exist.
    """
    content = read_json(path)
    try:
        check_filters(content)
    except ValueError as error:
        raise RefusalError(path, "filter", str(error), "mend that name") from error
    return content


def check_filters(filters: Filters) -> None:
    """Raise ``ValueError`` for a query or an entity that does not exist."""
    ours = [suffix.lower() for suffix in SUFFIXES]
    for query, wanted in filters.items():
        if query in _OTHERS:
            continue
        if query not in ours:
            raise ValueError(f"no query {query!r}; known: {', '.join(ours)}")
        if not isinstance(wanted, Mapping):
            raise ValueError(f"{query}: expected an object of entities")
        for key in wanted:
            if key not in _FACTS and not known_entity(_LONG_NAMES.get(key, key)):
                raise ValueError(f"{query}: no entity {key!r} in BIDS")


def matches(facts: Mapping[str, str], suffix: str, filters: Filters) -> bool:
    """Whether a file of `suffix` whose entities (and suffix, extension, datatype) are `facts` is wanted."""
    wanted = filters.get(suffix.lower(), {})
    return all(_fits(facts.get(_LONG_NAMES.get(key, key)), value) for key, value in wanted.items())


def _fits(found: str | None, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return any(_fits(found, one) for one in wanted)
    if wanted is None or wanted == "Query.NONE":
        return found is None
    if found is None:
        return False
    if wanted in ("*", "Query.ANY"):
        return True
    if isinstance(wanted, int):
        return found.isdecimal() and int(found) == wanted
    return found == str(wanted)
