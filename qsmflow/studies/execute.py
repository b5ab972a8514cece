"""Runs the cases of a study with pydra: processes of this machine or jobs of SLURM, and a cache by content."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from fileformats.generic import File
from pydra.compose import python, workflow
from pydra.engine.submitter import Submitter
from pydra.workers.cf import ConcurrentFuturesWorker
from pydra.workers.slurm import SlurmWorker

import qsmflow
from qsmflow.engines.allowed import available_cpus
from qsmflow.engines.lock import locked
from qsmflow.engines.pool import start_pool
from qsmflow.errors import MissingProgramError, QsmflowError
from qsmflow.nets import BeyondRangeError, weights

from . import catalogue
from .study import Case, Done, Outcome, Row

WORKERS = ("cf", "slurm")
#: Called with what was computed: "prepare" or "score", and what varies there.
Tell = Callable[[str], None]
_PACKAGE = Path(qsmflow.__file__).parent
#: What a result depends on beside the module of its study; how it is shown is not among it.
_CODE = (
    "core",
    "nets",
    "phantom",
    "training",
    "config",
    "studies/problems.py",
    "studies/methods.py",
    "studies/measured.py",
    "studies/cost.py",
    "studies/budget.py",
    "studies/cascade.py",
)


@python.define(outputs=["made"])
def prepare(study: str, problem: str, files: list[File], code: str) -> File:
    """What the cases of a problem start from."""
    path = Path.cwd() / "problem.pt"
    torch.save(catalogue.load(study).prepare(json.loads(problem), [Path(str(file)) for file in files]), path)
    return File(path)


@python.define(outputs=["scores", "maps"])
def score(study: str, problem: File, varied: str, weights: str, code: str) -> tuple[File, File]:
    """Numbers and maps of one case; no numbers where its network was not trained for such fields."""
    # the file is our own, of this very cache
    made = torch.load(str(problem), weights_only=False)
    try:
        outcome = catalogue.load(study).compute(made, json.loads(varied))
    except BeyondRangeError:
        outcome = Outcome([])
    scores, maps = Path.cwd() / "scores.json", Path.cwd() / "maps.pt"
    scores.write_text(json.dumps([list(score) for score in outcome.scores]), encoding="utf-8")
    torch.save({"affine": outcome.affine, **{name: one.half() for name, one in outcome.maps.items()}}, maps)
    return File(scores), File(maps)


@workflow.define(outputs=["scores", "maps"])
def branch(
    study: str, problem: str, files: list[File], varied: list[str], weights: list[str], code: str
) -> tuple[list[File], list[File]]:
    """One problem, and all cases of it."""
    prepared = workflow.add(prepare(study=study, problem=problem, files=files, code=code), name="prepare")
    scored = workflow.add(
        score(study=study, problem=prepared.made, code=code)
        .split(("varied", "weights"), varied=varied, weights=weights)
        .combine("varied"),
        name="score",
    )
    return scored.scores, scored.maps


class _Processes(ConcurrentFuturesWorker):
    """Processes of this machine that end with this one, and say what was computed."""

    _plugin_name = "cf"
    tell: Tell

    async def run(self, job: Any, rerun: bool = False) -> Any:
        kept = _kept(job)
        result = await super().run(job, rerun)
        if not kept:
            self.tell(_name(job))
        return result


class _Jobs(SlurmWorker):
    """Jobs of SLURM, that say what was computed."""

    _plugin_name = "slurm"
    tell: Tell

    async def run(self, job: Any, rerun: bool = False) -> Any:
        kept = _kept(job)
        result = await super().run(job, rerun)
        if not kept:
            self.tell(_name(job))
        return result


def compute(
    name: str,
    cases: Sequence[Case],
    cache: Path,
    *,
    worker: str = "cf",
    processes: int = 1,
    sbatch: str = "",
    total: Callable[[int], None] = lambda count: None,
    tell: Tell = lambda what: None,
) -> list[Done]:
    """Compute the cases of a study that are not in the cache.

    A result is taken from the cache where its case, the files and weights that go into it, and the code of the science
    are the same.

    Parameters
    ----------
    name
        Of the study.
    cases
        Those that need weights which the package does not have are left out, and say so in their only row; so do those
        whose network was not trained for such fields.
    cache
        Folder, on a disk that all machines see; one run at a time.
    worker
        One of `WORKERS`.
    processes
        How many at once, of ``cf``.
    sbatch
        Words for sbatch, of ``slurm``.
    total
        Called with how much there is to compute where the cache is empty.
    tell
        Called after each thing that was computed, and not for what the cache had.

    Returns
    -------
    list
        As many as cases, in their order.

    Raises
    ------
    QsmflowError
        A case failed; the others are finished and kept.
    LockedError
        Another run uses the cache.
    MissingProgramError
        A program of SLURM, with ``slurm``.
    """
    known = set(weights.names())
    ready = [case for case in cases if known.issuperset(case.weights)]
    branches: dict[str, list[Case]] = {}
    for case in ready:
        branches.setdefault(json.dumps([case.problem, [str(file) for file in case.files]]), []).append(case)
    total(len(branches) + len(ready))
    found: dict[int, tuple[Path, Path]] = {}
    if ready:
        with locked(cache.parent, [".lock"]):
            _make_ready(cache)
            answers = _submit(name, list(branches.values()), cache, _worker(worker, processes, sbatch, tell))
        for group, scores, maps in zip(branches.values(), *answers, strict=True):
            for case, one, other in zip(group, scores, maps, strict=True):
                found[id(case)] = (Path(str(one)), Path(str(other)))
    return [_done(case, found.get(id(case))) for case in cases]


def fingerprint(name: str) -> str:
    """sha256 of the code that the results of a study hang on, the recipes where it trains, and the version of torch."""
    digest = hashlib.sha256(torch.__version__.encode())
    recipes = ("data/recipes",) if catalogue.load(name).trains else ()
    paths = [_PACKAGE / part for part in (*_CODE, f"studies/{name}.py", "data/tissues", *recipes)]
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    for file in files:
        if file.suffix in (".py", ".tsv", ".toml"):
            digest.update(file.relative_to(_PACKAGE).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


def _submit(name: str, groups: list[list[Case]], cache: Path, worker: Any) -> tuple[list[Any], list[Any]]:
    task = branch(study=name, code=fingerprint(name)).split(
        ("problem", "files", "varied", "weights"),
        problem=[json.dumps(group[0].problem) for group in groups],
        files=[[File(file) for file in group[0].files] for group in groups],
        varied=[[json.dumps(case.varied) for case in group] for group in groups],
        weights=[
            [" ".join(weights.digest(weights.find(one)) for one in case.weights) for case in group] for group in groups
        ],
    )
    try:
        with Submitter(cache_root=cache, worker=worker) as submitter:
            outputs = submitter(task, raise_errors=True).outputs
    except RuntimeError as error:
        log = cache.parent / "error.log"
        log.write_text(str(error), encoding="utf-8")
        raise QsmflowError(f"study {name}: {_reason(str(error))}; {log} has all of it") from error
    return outputs.scores, outputs.maps


def _reason(told: str) -> str:
    """The last error that pydra tells of; without its class where it is one of ours, which says all by itself."""
    last = next((line.strip() for line in reversed(told.splitlines()) if "Error: " in line), "a case failed")
    return re.sub(r"^qsmflow\.[\w.]+: ", "", last)


def _worker(worker: str, processes: int, sbatch: str, tell: Tell) -> Any:
    made: Any
    if worker == "slurm":
        for program in ("sbatch", "squeue", "sacct"):
            if shutil.which(program) is None:
                raise MissingProgramError(f"{program}: not found; take --worker cf, or run where SLURM is")
        # a job that comes back by itself would compute beside the one that pydra submits
        made = _Jobs(sbatch_args=f"{sbatch} --no-requeue")
    else:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cpus() // processes)))
        made = _Processes(n_procs=processes)
        made.pool.shutdown()
        made.pool = start_pool(processes)
    made.tell = tell
    return made


def _kept(job: Any) -> bool:
    """Whether the cache has the result of a task, so that the task is not computed."""
    return (job.cache_dir / "_result.pklz").exists() and not (job.cache_dir / "_error.pklz").exists()


def _name(job: Any) -> str:
    told = json.loads(job.task.varied if hasattr(job.task, "varied") else job.task.problem)
    return " ".join([job.name, *(str(value) for value in told.values())])


def _make_ready(cache: Path) -> None:
    """Keep pydra's files in `cache`, and take away the locks that a killed run left there.

    For those pydra would wait without end. No other run is at work: the caller holds the lock of the folder.
    """
    os.environ["PYDRA_HASH_CACHE"] = str(cache / "hashes")
    for lock in cache.glob("*.lock"):
        lock.unlink()


def _done(case: Case, found: tuple[Path, Path] | None) -> Done:
    if found is None:
        return _left_out(case, "no weights")
    scores = json.loads(found[0].read_text(encoding="utf-8"))
    if not scores:
        return _left_out(case, "beyond its range")
    rows: list[Row] = []
    for metric, value, unit, region in scores:
        rows.append({**case.row, "region": region, "metric": metric, "value": value, "unit": unit, "note": ""})
    return Done(case, rows, found[1])


def _left_out(case: Case, why: str) -> Done:
    return Done(case, [{**case.row, "region": "", "metric": "", "value": "", "unit": "", "note": why}], None)
