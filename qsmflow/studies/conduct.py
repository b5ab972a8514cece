"""One study from its cases to its table, its pictures and its page."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import qsmflow
from qsmflow.bids.write import write_bytes, write_text
from qsmflow.core.metrics import METRICS
from qsmflow.engines.allowed import available_cpus
from qsmflow.errors import UsageError
from qsmflow.nets import card, weights
from qsmflow.reports.blocks import Block, Code, Items, Note, Picture, Section, Table
from qsmflow.reports.page import render

from . import catalogue
from .execute import Tell, compute
from .figures import small
from .study import Done, Request
from .tables import markdown, tsv

_QUICK = (
    "This is the quick study (--quick): coarse voxels, fewer cases, short trainings. Its numbers show that the study "
    "runs, and are not those of the full one."
)


def check(name: str, request: Request) -> None:
    """Refuse what a study cannot do.

    Raises
    ------
    UsageError
        The study does not take measured data, or simulates no head that labels or voxels could be of.
    """
    study = catalogue.load(name)
    if request.data is not None and not study.measured:
        raise UsageError(
            f"--data: study {name} is of simulated heads alone; leave it out, or take noise or orientation"
        )
    if request.head and (not study.headed or request.data is not None):
        raise UsageError(f"--labels: study {name} simulates no head here; leave it out")
    if request.voxel_size is not None and (not study.headed or request.data is not None):
        raise UsageError(f"--voxel-size: study {name} simulates no head here; leave it out")


def conduct(
    name: str,
    request: Request,
    out: Path,
    *,
    command: str,
    worker: str = "cf",
    processes: int = 1,
    sbatch: str = "",
    total: Callable[[int], None] = lambda count: None,
    tell: Tell = lambda what: None,
) -> Path:
    """Run a study and write what it comes to.

    Parameters
    ----------
    name
        One of `qsmflow.studies.catalogue.NAMES`.
    request
        How large, and on which data.
    out
        Folder. Its folder ``NAME`` gets ``NAME.tsv`` (one number a line), ``NAME.md`` with its figures, and
        ``index.html``; its folder ``cache`` is that of all studies.
    command
        Is told in what is written.
    worker, processes, sbatch, total, tell
        As `qsmflow.studies.execute.compute` takes them.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    UsageError
        See `check`.
    QsmflowError
        A case failed.
    """
    check(name, request)
    study = catalogue.load(name)
    cases = study.cases(request)
    if request.head:
        cases = [replace(case, files=request.head) for case in cases]
    processes = 1 if study.alone else processes
    done = compute(
        name, cases, out / "cache", worker=worker, processes=processes, sbatch=sbatch, total=total, tell=tell
    )
    blocks = study.show(done)
    folder = out / name
    write_text(folder / f"{name}.tsv", tsv([row for one in done for row in one.rows]))
    notes = _told(request, done)
    write_text(folder / f"{name}.md", _markdown(name, [*notes, *blocks], done, command))
    section = Section(name, "Results", [*notes, *blocks])
    for earlier in folder.glob(f"{name}_*.webp"):  # a study may show less than it did
        earlier.unlink()
    for picture in section.pictures():
        write_bytes(folder / f"{picture.name}.webp", small(picture.png))
    about = Section("about", "What this is", [Note(catalogue.about(name).replace("`", "")), Code("Command", command)])
    versions = Section("versions", "Versions", [Items("Made with", _versions(done))])
    page = folder / "index.html"
    write_text(page, render(f"Study: {name}", [about, section, versions], None))
    return page


def _markdown(name: str, blocks: Sequence[Block], done: Sequence[Done], command: str) -> str:
    parts = [f"# {name}", catalogue.about(name), f"```text\n{command}\n```"]
    for block in blocks:
        if isinstance(block, Table):
            parts.append(markdown(block).rstrip())
        elif isinstance(block, Note):
            parts.append(block.text)
        elif isinstance(block, Picture):
            parts.append(f"![{block.alt}]({block.name}.webp)")
    parts.append(f"Every number: [{name}.tsv]({name}.tsv). Made with:")
    parts.append("\n".join(f"- {one}" for one in _versions(done)))
    return "\n\n".join(parts) + "\n"


def _told(request: Request, done: Sequence[Done]) -> list[Note]:
    """What a reader must know before the numbers."""
    notes = []
    if request.quick:
        notes.append(Note(_QUICK, "warn"))
    known = weights.names()
    missing = dict.fromkeys(one for case in done if case.maps is None for one in case.case.weights if one not in known)
    if missing:
        notes.append(Note(f"No weights in the package, left out: {', '.join(missing)}.", "warn"))
    if used := _used(done):
        notes.append(Note(f"Networks are those of the package, not of the papers. {' '.join(map(_network, used))}"))
    conventions = {metric.name.removesuffix("_rescaled"): metric.convention for metric in METRICS}
    named = dict.fromkeys(str(row["metric"]) for one in done for row in one.rows)
    told = [f"{metric} ({conventions[metric]})" for metric in named if metric in conventions]
    if told:
        notes.append(Note(f"Metrics: {'; '.join(told)}."))
    return notes


def _used(done: Sequence[Done]) -> list[str]:
    """The weights by which something was computed."""
    return [*dict.fromkeys(one for case in done if case.maps is not None for one in case.case.weights)]


def _network(name: str) -> str:
    """What a reader must know of the weights of that name."""
    told = card.read(weights.card_path(weights.find(name)))
    of = ", ".join(channel.name for channel in told.inputs)
    return f"{name} is a {told.network} of {of} that saw {told.training['patches']} patches: {told.limits}"


def _versions(done: Sequence[Done]) -> list[str]:
    return [
        f"{available_cpus()} x {_processor()}",
        f"qsmflow {qsmflow.__version__}",
        f"Python {platform.python_version()}",
        *(f"{one} {version(one)}" for one in ("torch", "numpy", "pydra")),
        *(f"weights {one} sha256 {weights.digest(weights.find(one))}" for one in _used(done)),
    ]


def _processor() -> str:
    """The name of this machine's processor."""
    told = Path("/proc/cpuinfo")  # of Linux
    lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
