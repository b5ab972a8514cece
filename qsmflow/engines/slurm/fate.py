"""What the end of a job means: whether it is submitted again, with what, and what the user is told."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

from qsmflow.engines.resources import Need

from .commands import Ended

#: State given to a job that SLURM knows no longer and that left nothing.
LOST = "LOST"
#: What slurmstepd writes into the log of a job that it ends for its memory; not every cluster makes a state of it.
_MEMORY = ("exceeded memory limit", "exceeded job memory limit", "oom-kill", "oom_kill", "out of memory handler")
#: What SLURM calls the signal of a job that it could not begin; none has that number.
_NO_LOG = 53
#: Names of signals; those for real time have none.
_SIGNALS = {int(each): each.name for each in signal.Signals}
_AGAIN_AS_IT_WAS = ("NODE_FAIL", "BOOT_FAIL", LOST)


@dataclass(frozen=True)
class Fate:
    """What comes of a job that left no outcome: one line for the user, and what to ask the next time.

    `again` is None where it is not submitted again; `counts` says whether that uses up one of the retries.
    """

    line: str
    again: Need | None = None
    counts: bool = True


def fate(
    job: int,
    ended: Ended,
    need: Need,
    limit_minutes: int,
    log: Path,
    left: int,
    most: tuple[float, float],
) -> Fate:
    """Judge a job that ended without leaving an outcome.

    Parameters
    ----------
    job, ended
        Its id, and how it ended.
    need, limit_minutes
        What it asked.
    log
        What it printed.
    left
        How often it may be submitted again.
    most
        Most memory, GB, and most time, minutes, that a job may ask for where it goes.
    """
    state = ended.state
    printed = read_log(log)
    if state in ("FAILED", "CANCELLED") and any(word in printed.lower() for word in _MEMORY):
        state = "OUT_OF_MEMORY"
    told = f"job {job}{f' on {ended.node}' if ended.node else ''}: {state}"
    if state == "PREEMPTED":
        return Fate(f"{told}, ended for a job of higher priority; submitted again", need, counts=False)
    if state == "OUT_OF_MEMORY":
        told += f", took more than the {need.memory_gb:.2g} GB it had"
        if need.memory_gb >= most[0]:
            return Fate(f"{told}, and no machine of its partition has more; take another partition")
        more = replace(need, memory_gb=min(2 * need.memory_gb, most[0]))
        return _again(told, left, more, f"with {more.memory_gb:.2g} GB", "raise --slurm-retries, which doubles it")
    if state == "TIMEOUT":
        told += f", not done within {limit_minutes} min"
        minutes = int(min(2 * limit_minutes, most[1]))
        if minutes <= limit_minutes:
            return Fate(f"{told}, which is all that its partition and --slurm-max-minutes allow; change one of them")
        # what is added is added to the stage's own time: what is beside it is taken from the settings each time
        more = replace(need, minutes=need.minutes + minutes - limit_minutes)
        return _again(told, left, more, f"with {minutes} min", "raise --slurm-retries, which doubles it")
    if state in _AGAIN_AS_IT_WAS:
        why = "SLURM knows it no longer" if state == LOST else "its machine failed"
        return _again(f"{told}, {why}", left, need, "as it was", "run again, or --slurm-extra=--exclude=NODE")
    if state == "CANCELLED":
        return Fate(f"{told}, ended by scancel; run again to go on")
    if state == "COMPLETED":
        return Fate(f"{told}, but its outcome is not to be seen here; raise --slurm-settle, or share the work folder")
    if ended.signal == _NO_LOG:
        return Fate(f"{told}, could not begin, as where {log} cannot be written there; see that {log.parent} is shared")
    if ended.signal:
        name = _SIGNALS.get(ended.signal, f"signal {ended.signal}")
        return Fate(f"{told}, ended by {name}, from somebody or from a machine short of memory; run again, see {log}")
    said = f"; its log ends with: {printed.splitlines()[-1].strip()}" if printed else ""
    # a job that cannot write its outcome ends with the number of the system's error
    why = f" ({os.strerror(ended.status)})" if ended.status > 1 else ""
    return Fate(f"{told}, status {ended.status}{why}{said}; mend it and run again, see {log}")


def _again(told: str, left: int, need: Need, how: str, mend: str) -> Fate:
    return Fate(f"{told}; submitted again {how}", need) if left > 0 else Fate(f"{told}; {mend}")


def read_log(log: Path) -> str:
    """The last that a job printed; empty where there is nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""
