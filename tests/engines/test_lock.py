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
from qsmflow.engines.slurm.commands import SilentError


def owner(folder: Path, **changes: object) -> None:
    """Put a lock of another process there."""
    (folder / "sub-01").mkdir(parents=True)
    theirs = {"pid": 1, "born": "none", "job": "", "attempt": "0", "since": "2026", "id": "theirs"}
    (folder / "sub-01" / "owner.json").write_text(json.dumps(lock._myself() | theirs | changes))


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


def test_of_another_start_of_this_machine_nothing_lives(tmp_path: Path) -> None:
    owner(tmp_path, boot="another", namespace="another", pid=os.getpid(), born=lock._born(os.getpid()))
    with locked(tmp_path, ["sub-01"]):
        pass


def test_a_container_with_numbers_of_its_own_cannot_be_seen(tmp_path: Path) -> None:
    owner(tmp_path, namespace="pid:[1]")
    told = pytest.raises(LockedError, match=f"remove {tmp_path / 'sub-01'} if it is dead")
    with told, locked(tmp_path, ["sub-01"]):
        pass


def test_a_process_of_another_user_that_is_hidden_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(pid: int, number: int) -> None:
        raise PermissionError

    owner(tmp_path, pid=2**22)  # more than any process has
    with locked(tmp_path, ["sub-01"]):
        pass
    owner(tmp_path, pid=2**22)
    monkeypatch.setattr(os, "kill", kill)
    with pytest.raises(LockedError), locked(tmp_path, ["sub-01"]):
        pass


@pytest.mark.parametrize(("job", "may", "free"), [("", False, False), ("7", True, False), ("7", False, True)])
def test_of_another_machine_only_slurm_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: str, may: bool, free: bool
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(lock, "may_run", lambda *words: asked.append(words) or may)
    owner(tmp_path, host="elsewhere", job=job, user=99)
    if free:
        with locked(tmp_path, ["sub-01"]):
            pass
    else:
        with pytest.raises(LockedError, match="elsewhere"), locked(tmp_path, ["sub-01"]):
            pass
    assert asked == ([(7, 99)] if job else [])


def test_where_slurm_is_silent_the_owner_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(job: int, user: int) -> bool:
        raise SilentError("no answer")

    monkeypatch.setattr(lock, "may_run", silent)
    owner(tmp_path, host="elsewhere", job="7")
    with pytest.raises(LockedError), locked(tmp_path, ["sub-01"]):
        pass


def test_a_job_that_is_begun_again_takes_its_own_lock_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    owner(tmp_path, host="elsewhere", job="7")
    with pytest.raises(LockedError), locked(tmp_path, ["sub-01"]):  # another task of the same attempt
        pass
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with locked(tmp_path, ["sub-01"]):
        pass


def test_of_many_that_find_a_dead_owner_one_gets_the_lock(tmp_path: Path) -> None:
    owner(tmp_path)
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
