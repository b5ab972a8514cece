"""A work folder keeps the intermediate files of one output folder alone."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from qsmflow.bids.write import write_text
from qsmflow.errors import UsageError


def bind(work: Path, out: Path) -> None:
    """Write into the folder `work` that it belongs to the output folder `out`, both made where they are not there.

    Subjects of other datasets may have the same labels, and their nodes the same folders. A folder that belongs to one
    that is there no longer, such as one that was moved with it, is taken over.

    Raises
    ------
    UsageError
        It belongs to another one.
    """
    out.mkdir(parents=True, exist_ok=True)
    sign = work / "belongs-to"
    if not sign.exists():
        _put_up(sign, out)
    path = sign / "path"
    owner = Path(path.read_text())
    try:
        same = owner.samefile(out)
    except (FileNotFoundError, NotADirectoryError):
        write_text(path, str(out.resolve()))
        same = True
    except PermissionError:
        same = False
    if not same:
        raise UsageError(f"{work}: has the intermediate files of {owner}; take another --work-dir for {out}")


def _put_up(sign: Path, out: Path) -> None:
    """Make the folder `sign` with its file as a whole, unless somebody else is faster."""
    ready = sign.with_name(f".{sign.name}-{uuid.uuid4().hex}")
    ready.mkdir(parents=True)
    try:
        (ready / "path").write_text(str(out.resolve()))
        ready.rename(sign)
    except OSError:
        if not sign.exists():
            raise
    finally:
        shutil.rmtree(ready, ignore_errors=True)
