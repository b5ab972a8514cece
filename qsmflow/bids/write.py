"""Writing into a derivative dataset: whole files or none."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import qsmflow

#: BIDS has no name yet for transforms, statistics and reports; logs and work are not data.
IGNORED = ("*.html", "*_xfm.*", "*_stats.*", "group_*", "sub-*/figures", "logs", "work")
BIDS_VERSION = "1.10.0"


def write_atomic(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, then move it into place: a reader sees the whole file or none.

    The temporary name keeps the extension of `path`, by which writers choose the format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    extension = "".join(path.suffixes[-2:]) if path.name.endswith(".nii.gz") else path.suffix
    handle, name = tempfile.mkstemp(prefix=".tmp-", suffix=extension, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as a whole."""

    def fill(temporary: Path) -> None:
        temporary.write_text(text)

    write_atomic(path, fill)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` as a whole."""

    def fill(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomic(path, fill)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` to `path` as indented JSON, as a whole."""
    write_text(path, json.dumps(content, indent=2, default=str, allow_nan=False) + "\n")


def describe_dataset(
    root: Path,
    name: str,
    *,
    sources: Mapping[str, Path] | None = None,
    derivative: bool = True,
    ignored: Iterable[str] = IGNORED,
) -> None:
    """Write ``dataset_description.json``, ``README.md`` and ``.bidsignore`` of a dataset that qsmflow makes.

    `sources` are the datasets it comes from, by the name that BIDS URIs call them. A file that already says the same
    is left as it is.
    """
    description: dict[str, Any] = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative" if derivative else "raw",
        "GeneratedBy": [{"Name": "qsmflow", "Version": qsmflow.__version__}],
    }
    links = {key: Path(source).absolute().as_uri() for key, source in (sources or {}).items()}
    if links:
        description["SourceDatasets"] = [{"URL": link} for link in links.values()]
        description["DatasetLinks"] = links
    path = Path(root) / "dataset_description.json"
    if not path.exists() or json.loads(path.read_text()) != description:
        write_json(path, description)
    readme = Path(root) / "README.md"
    if not readme.exists():
        write_text(
            readme, f"# {name}\n\nMade by qsmflow {qsmflow.__version__}. Fields and susceptibility are in ppm.\n"
        )
    lines = list(ignored)
    ignore = Path(root) / ".bidsignore"
    if lines and not ignore.exists():
        write_text(ignore, "\n".join(lines) + "\n")
