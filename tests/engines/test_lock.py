"""One run at a time on a subject: a living owner is told, a dead one is replaced, nothing is left behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from qsmflow.engines import lock
from qsmflow.engines.lock import LockedError, locked
from qsmflow.engines.slurm.commands import Queued


def owner(folder: Path, **changes: object) -> None:
    """Put a lock of another process there."""
    (folder / "sub-01").mkdir(parents=True)
    theirs = {"host": socket.gethostname(), "pid": 1, "born": "0", "job": "", "since": "2026", "id": "theirs"}
    (folder / "sub-01" / "owner.json").write_text(json.dumps(theirs | changes))


def test_what_is_locked_is_told_and_given_back(tmp_path: Path) -> None:
    with locked(tmp_path / "locks", ["sub-01", "sub-02"]):
        told = pytest.raises(LockedError, match=rf"sub-02: process {os.getpid()} on {socket.gethostname()}")
        with told, locked(tmp_path / "locks", ["sub-03", "sub-02"]):
            pass
        with locked(tmp_path / "locks", ["sub-03"]):
            pass
    assert not list((tmp_path / "locks").iterdir())


def test_a_living_process_of_this_machine_is_waited_for(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        owner(tmp_path, pid=process.pid, born=lock._born(process.pid))
        with pytest.raises(LockedError, match=f"remove {tmp_path / 'sub-01'}"), locked(tmp_path, ["sub-01"]):
            pass
    finally:
        process.kill()
        process.wait()
    with locked(tmp_path, ["sub-01"]):
        assert json.loads((tmp_path / "sub-01" / "owner.json").read_text())["pid"] == os.getpid()


def test_a_number_that_another_process_got_is_no_owner(tmp_path: Path) -> None:
    owner(tmp_path, pid=os.getpid(), born="1")
    with locked(tmp_path, ["sub-01"]):
        pass


@pytest.mark.parametrize(
    ("job", "queue", "free"), [("", {}, False), ("7", {7: Queued("run")}, False), ("7", {8: Queued("run")}, True)]
)
def test_of_another_machine_only_slurm_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str, queue: dict[int, Queued], free: bool
) -> None:
    monkeypatch.setattr(lock, "queue", lambda: queue)
    owner(tmp_path, host="elsewhere", job=job)
    if free:
        with locked(tmp_path, ["sub-01"]):
            pass
        return
    with pytest.raises(LockedError, match="elsewhere"), locked(tmp_path, ["sub-01"]):
        pass


def test_a_job_that_is_begun_again_takes_its_own_lock_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "queue", lambda: {7: Queued("run")})
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    owner(tmp_path, host="elsewhere", job="7")
    with locked(tmp_path, ["sub-01"]):
        pass


def test_of_many_that_find_a_dead_owner_one_gets_the_lock(tmp_path: Path) -> None:
    owner(tmp_path, pid=0)
    program = (
        "import sys, time; from pathlib import Path\n"
        "from qsmflow.engines.lock import LockedError, locked\n"
        "folder = Path(sys.argv[1])\n"
        "try:\n"
        "    with locked(folder, ['sub-01']):\n"
        "        print('held', flush=True); sys.stdin.read()\n"
        "except LockedError:\n"
        "    print('refused', flush=True)\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path)]
    runs = [subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [run.stdout.readline().strip() for run in runs if run.stdout]
    for run in runs:
        run.communicate()
    assert sorted(said) == ["held", "refused", "refused", "refused"]
    assert not list(tmp_path.iterdir())
