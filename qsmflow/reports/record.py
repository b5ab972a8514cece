"""What one `qsmflow run` was told and what came of it, kept so that a report can be made again without running."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qsmflow.bids.write import write_json
from qsmflow.errors import InputError


@dataclass(frozen=True)
class NodeRecord:
    """What one executed node took: its full name, s, GB that it asked for, and GB that it used where that is known."""

    name: str
    seconds: float
    asked_gb: float
    peak_gb: float | None = None


@dataclass(frozen=True)
class RunRecord:
    """One run of qsmflow.

    Attributes
    ----------
    command
        The command line as it can be pasted into a shell.
    started, finished
        ISO 8601 with time zone; `finished` is empty while the run goes on, and stays so if it is killed.
    version
        Of qsmflow.
    found
        One sentence each on what discovery found.
    skipped
        Pairs of a subject or series (``sub-01_acq-ori2``) and the reason why it was not processed.
    errors
        Pairs of a node's full name and its crash file.
    executed, cached
        Number of nodes that ran and that were taken from an earlier run.
    nodes
        What each executed node took.
    toml
        The whole configuration, for ``--config-file``.
    derivatives
        What the run made or found finished of each head, or would have: paths below the derivative dataset, by the
        head's name.
    """

    command: str
    started: str
    finished: str = ""
    version: str = ""
    found: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    errors: tuple[tuple[str, str], ...] = ()
    executed: int = 0
    cached: int = 0
    nodes: tuple[NodeRecord, ...] = ()
    toml: str = ""
    derivatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def subjects(self) -> set[str]:
        """Labels of the subjects that the run found or left out."""
        told = (*self.found, *(who for who, _ in self.skipped))
        return {label for text in told for label in re.findall(r"sub-([A-Za-z0-9]+)", text)}


def record_path(out_dir: Path, record: RunRecord) -> Path:
    """``out_dir/logs/run-<started>.json``; the start time, without punctuation, sorts the runs."""
    stamp = "".join(c for c in record.started if c.isalnum())
    return Path(out_dir) / "logs" / f"run-{stamp}.json"


def citation_name(record: RunRecord) -> str:
    """``run-<started>_CITATION.md``: the methods text of the run, beside its record."""
    return f"{record_path(Path(), record).stem}_CITATION.md"


def write_record(out_dir: Path, record: RunRecord) -> Path:
    """Write `record` below ``out_dir/logs`` and return the file; a record of the same start is replaced."""
    path = record_path(out_dir, record)
    write_json(path, dataclasses.asdict(record))
    return path


def read_record(path: Path) -> RunRecord:
    """Read what `write_record` wrote.

    Raises
    ------
    InputError
        If the file is not a run record.
    """
    try:
        content = json.loads(Path(path).read_text())
        pairs = {name: tuple((str(a), str(b)) for a, b in content.pop(name, ())) for name in ("skipped", "errors")}
        nodes = tuple(NodeRecord(**node) for node in content.pop("nodes", ()))
        made = {head: tuple(paths) for head, paths in content.pop("derivatives", {}).items()}
        found = tuple(content.get("found", ()))
        return RunRecord(**{**content, **pairs, "nodes": nodes, "found": found, "derivatives": made})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a run record of qsmflow ({error}); delete it and run again") from error


def latest_record(out_dir: Path, subject: str) -> RunRecord | None:
    """Read the record of the last run into `out_dir` that speaks of `subject`; None where no run left one."""
    records = (read_record(path) for path in reversed(_paths(out_dir)))
    return next((record for record in records if subject in record.subjects), None)


def latest_records(out_dir: Path) -> dict[str, RunRecord]:
    """The record of the last run that speaks of each subject, by label."""
    return {subject: record for record in map(read_record, _paths(out_dir)) for subject in record.subjects}


def records_of_heads(out_dir: Path) -> dict[str, RunRecord]:
    """The record of the last run that computed each head of the dataset, by the head's name.

    A run of an earlier version, whose record does not list its derivatives, is left out.
    """
    return {head: record for record in map(read_record, _paths(out_dir)) for head in record.derivatives}


def of_subject(records: Mapping[str, RunRecord], subject: str) -> dict[str, RunRecord]:
    """Those of `records_of_heads` that are of heads of `subject`."""
    return {head: record for head, record in records.items() if head.split("_")[0] == f"sub-{subject}"}


def _paths(out_dir: Path) -> list[Path]:
    """The files of all records, the last run's at the end."""
    return sorted((Path(out_dir) / "logs").glob("run-*.json"))


def head_of(entities: Mapping[str, str], heads: Iterable[str]) -> str | None:
    """The last of `heads`, by name (``sub-01_ses-a``), that a file of `entities` belongs to: it has all of theirs."""
    own = {f"{key}-{value}" for key, value in entities.items()}
    return next((head for head in reversed([*heads]) if own.issuperset(head.split("_"))), None)
