"""The plugin against pretended programs, of which sbatch runs its script at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from nipype import Node, Workflow
from nipype.interfaces.utility import Merge

from qsmflow.config.slurm import SLURM
from qsmflow.engines.execute import Machine, Outcome, execute
from qsmflow.engines.resources import Need, ask
from qsmflow.errors import UsageError
from qsmflow.interfaces.derivatives import Supplied
from tests.engines.slurm.programs import Programs

#: Runs the script, its last word, as the next job.
RUN = """
echo >> jobs
job=$(wc -l < jobs)
for script; do :; done
SLURM_JOB_ID=$job bash "$script" > /dev/null 2>&1
echo $job
"""


class Watch:
    """Keeps what the user is to read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def begin(self, nodes: Sequence[str]) -> None:
        pass

    def __call__(self, node: str, event: str) -> None:
        pass

    def tell(self, node: str, line: str) -> None:
        pass

    def warn(self, node: str, line: str) -> None:
        self.read.append(line)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    (tmp_path / "bin").mkdir()
    made = Programs(tmp_path / "bin", monkeypatch)
    made.script("sbatch", RUN)
    made.add("squeue")
    made.add("sinfo", "cpu*|2|8000|(null)|infinite\n")
    made.add("scancel")
    made.add("sacct", error="Slurm accounting storage is disabled", status=1)
    made.add("scontrol", error="Invalid job id specified", status=1)
    return made


def run(folder: Path, node: Node, cpus: int = 1, **settings: float) -> tuple[Outcome, Watch]:
    """Run `node` as a job."""
    workflow = Workflow("run", base_dir=str(folder))
    workflow.add_nodes([ask(node, Need(minutes=1, cpus=cpus))])
    slurm = SLURM(**{"local_minutes": 0, "poll": 0.2, "settle": 1.0, "retries": 1, **settings})
    watch = Watch()
    machine = Machine(1, 1.0, plugin="SLURM", slurm=slurm)
    return execute(workflow, machine, folder / "crash", watch), watch


def merge() -> Node:
    return Node(Merge(1, in1=[1]), "merge")


def test_a_job_that_comes_through_asks_nothing_of_the_controller(tmp_path: Path, programs: Programs) -> None:
    outcome, watch = run(tmp_path, merge(), poll=60)
    assert outcome.executed == ("run.merge",) and not watch.read
    with pytest.raises(FileNotFoundError):
        programs.words("sacct")
    assert not list((tmp_path / "run" / "slurm").glob("outcomes-*"))


def test_the_error_of_a_node_is_told_as_it_is_anywhere(tmp_path: Path, programs: Programs) -> None:
    (tmp_path / "broken.nii").write_text("no image")
    outcome, _ = run(tmp_path, Node(Supplied(in_file=str(tmp_path / "broken.nii")), "supplied"))
    (failure,) = outcome.failed
    assert "broken.nii" in failure.message and "Error" in failure.message and failure.crash_file is not None


def test_a_job_too_large_for_the_machines_is_refused_before_any_is_submitted(
    tmp_path: Path, programs: Programs
) -> None:
    with pytest.raises(UsageError, match=r"run\.merge: asks for 4 CPUs.*take --omp-nthreads 2"):
        run(tmp_path, merge(), cpus=4)
    with pytest.raises(FileNotFoundError):
        programs.words("sbatch")


def test_a_refusal_of_sbatch_fails_the_node(tmp_path: Path, programs: Programs) -> None:
    programs.add("sbatch", error="sbatch: error: Memory specification can not be satisfied", status=1)
    outcome, _ = run(tmp_path, merge())
    assert "Memory specification" in outcome.failed[0].message


def test_a_silent_controller_is_told_once_and_waited_for(tmp_path: Path, programs: Programs) -> None:
    silent = "[ $(wc -l < sbatch.words) -gt 3 ] || { echo Unable to contact slurm controller >&2; exit 1; }"
    programs.script("sbatch", f"{silent}\n{RUN}")
    outcome, watch = run(tmp_path, merge())
    assert outcome.executed == ("run.merge",) and len(programs.words("sbatch")) == 4
    assert len(watch.read) == 1 and "SLURM does not answer" in watch.read[0]


def test_an_outcome_that_a_shared_disk_shows_late_is_waited_for(tmp_path: Path, programs: Programs) -> None:
    """SLURM says that the job is done; its outcome is at first not to be seen, then empty, then there."""
    late = "(sleep 1; touch ../run/slurm/outcomes-*/1.json; sleep 1; SLURM_JOB_ID=1 bash $script) > /dev/null 2>&1 &"
    programs.script("sbatch", f"for script; do :; done\n{late}\necho 1")
    programs.add("sacct", "1|COMPLETED|0:0|cpu1\n")
    outcome, watch = run(tmp_path, merge(), settle=60)
    assert outcome.executed == ("run.merge",) and not watch.read
    assert len(programs.words("sbatch")) == 1


def test_a_job_that_slurm_forgot_is_submitted_again_and_then_given_up(tmp_path: Path, programs: Programs) -> None:
    programs.script("sbatch", "echo 7")
    outcome, watch = run(tmp_path, merge())
    assert len(programs.words("sbatch")) == 2
    assert ["LOST" in line for line in watch.read] == [True] and "LOST" in outcome.failed[0].message


def test_a_job_that_may_wait_forever_is_told_once(tmp_path: Path, programs: Programs) -> None:
    programs.script("sbatch", "echo 7")
    programs.script(
        "squeue", "[ $(wc -l < squeue.words) -gt 3 ] || echo '7|PartitionTimeLimit|x'; echo '8|BadConstraints|y'"
    )
    programs.add("sacct", "7|CANCELLED by 1000|0:15|None assigned\n")
    outcome, watch = run(tmp_path, merge())
    assert [line.split(";")[0] for line in watch.read] == ["job 7 waits: PartitionTimeLimit"]
    assert "CANCELLED" in outcome.failed[0].message


def test_jobs_of_a_run_that_ends_are_cancelled_and_no_others(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    programs.script("sbatch", "echo 7")
    # in the queue: the job of this run, found by the name that sbatch was given, and one of a run on another subject
    programs.script(
        "squeue", "echo 7'|None|'$(grep -o 'qsmflow-[^ ]*' sbatch.words); echo '8|None|qsmflow-12345678.run.other'"
    )
    monkeypatch.setattr("qsmflow.engines.slurm.plugin.SLURMPlugin._poll", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, merge())
    assert programs.words("scancel") == ["--quiet 7"]
