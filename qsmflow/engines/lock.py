"""One run at a time on each subject of an output folder, over network disks too."""

from __future__ import annotations

import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qsmflow.bids.write import write_json
from qsmflow.engines.slurm.commands import SlurmError, may_run
from qsmflow.errors import MissingProgramError, UsageError

_OWNER = "owner.json"


class LockedError(UsageError):
    """Another run is at work on the same subject."""


@contextmanager
def locked(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold a lock of each of `names` in `folder`.

    A lock is a folder that is renamed into place with the owner's name in it: that happens as a whole or not at all on
    every file system, and fails where one is there already. The lock of a process that is dead, as far as can be told
    from here, is taken over.

    Raises
    ------
    LockedError
        Another run holds one of them; those that were taken are given back.
    """
    with ExitStack() as held:
        for name in names:
            mine = _take(folder / name)
            held.callback(_give_back, folder / name, mine)
        yield


def _take(lock: Path) -> str:
    lock.parent.mkdir(parents=True, exist_ok=True)
    mine = uuid.uuid4().hex
    ready = lock.with_name(f".{lock.name}-{mine}")
    ready.mkdir()
    try:
        write_json(ready / _OWNER, {**_myself(), "id": mine})
        while True:
            try:
                ready.rename(lock)
                return mine
            except OSError:
                owner = _owner(lock)
                if owner.get("id") == mine:  # the server did it, and its answer was lost
                    return mine
                if owner and not _dead(owner):
                    raise LockedError(
                        f"{lock.name}: process {owner['pid']} on {owner['host']} has been at work on it since "
                        f"{owner['since']}; wait for it, or remove {lock} if it is dead"
                    ) from None
                if owner:
                    _clear_away(lock, owner["id"])
                elif lock.exists():  # neither ours nor to be read
                    raise
    finally:
        shutil.rmtree(ready, ignore_errors=True)


def _clear_away(lock: Path, dead: str) -> None:
    """Remove the lock of the owner `dead`; one that came in between is put back."""
    aside = lock.with_name(f".{lock.name}-{uuid.uuid4().hex}")
    try:
        lock.rename(aside)
    except OSError:  # somebody else was faster
        return
    if _owner(aside).get("id") == dead:
        shutil.rmtree(aside, ignore_errors=True)
    else:
        aside.rename(lock)


def _give_back(lock: Path, mine: str) -> None:
    if _owner(lock).get("id") == mine:
        _clear_away(lock, mine)


def _owner(lock: Path) -> dict[str, Any]:
    """Who holds `lock`; empty where nobody does."""
    try:
        found: dict[str, Any] = json.loads((lock / _OWNER).read_text())
        return found
    except (OSError, ValueError):
        return {}


def _myself() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "namespace": _namespace(),
        "pid": os.getpid(),
        "born": _born(os.getpid()),
        "user": os.getuid(),
        "job": os.environ.get("SLURM_JOB_ID", ""),
        "attempt": os.environ.get("SLURM_RESTART_COUNT", "0"),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _dead(owner: dict[str, Any]) -> bool:
    """Whether the owner is known to be dead: by its process where that can be seen from here, or else by its SLURM job.

    In a container with process numbers of its own, an owner on the same machine cannot be seen.
    """
    me = _myself()
    if owner["host"] == me["host"]:
        if owner["boot"] != me["boot"]:
            return True
        if owner["namespace"] == me["namespace"]:
            return not _lives(owner["pid"], owner["born"])
    if not owner["job"]:
        return False
    if owner["job"] == me["job"]:  # one that is begun again carries the id of its first attempt
        return bool(owner["attempt"] != me["attempt"])
    try:
        return not may_run(int(owner["job"]), owner["user"])
    except (SlurmError, MissingProgramError):
        return False


def _lives(pid: int, born: str) -> bool:
    """Whether the process of that number that began at `born` may be alive."""
    seen = _born(pid)
    if seen is not None:
        return seen == born
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user, whose processes /proc may hide
        pass
    return True


def _born(pid: int) -> str | None:
    """When the process of that number began, in ticks of the machine; empty where it has ended, None if not seen.

    A number is given again to later processes, never with the same time.
    """
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    state, *rest = text.rpartition(") ")[2].split()
    return "" if state in "ZX" else rest[18]


def _namespace() -> str:
    """Within which process numbers are this process's own; empty where the system does not tell."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115  the name of no file
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
