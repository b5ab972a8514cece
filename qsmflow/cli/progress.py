"""What a run says on the terminal: progress while it goes on, plain lines when it is piped."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

#: Seconds between two lines of progress where there is no terminal.
_PLAIN_EVERY = 10.0


def say(text: str, *, error: bool = False) -> None:
    """One line for the user; faults go to stderr."""
    print(f"qsmflow: {text}", file=sys.stderr if error else sys.stdout, flush=True)


class Progress:
    """Counts nodes: a bar on a terminal, and with `verbose` a line for every node."""

    def __init__(self, verbose: int = 0) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self._verbose = verbose
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        self._terminal = console.is_terminal
        self._bar = Bar(*columns, console=console, disable=not self._terminal)
        self._done, self._count, self._said = 0, 0, time.monotonic()
        self._task = self._bar.add_task("nodes", total=None)

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def total(self, count: int) -> None:
        """Tell how many nodes there are."""
        self._count = count
        self._bar.update(self._task, total=count)

    def __call__(self, node: str, event: str) -> None:
        """Note an event of a node: ``start``, ``end`` or ``exception``."""
        short = _short(node)
        if event == "start":
            self._bar.update(self._task, description=short)
        else:
            self._done += 1
            self._bar.advance(self._task)
        if not self._verbose:
            self._say_at_times(f"{self._done} of {self._count} nodes done")
        else:
            say(f"{event:9s} {short}")

    def tell(self, node: str, line: str) -> None:
        """Note how far a running node is."""
        self._bar.update(self._task, description=f"{_short(node)}: {line}")
        self._say_at_times(f"{_short(node)}: {line}")

    def warn(self, node: str, line: str) -> None:
        """Say what the user should read, whatever else is shown."""
        text = f"{_short(node)}: {line}" if node else line
        if self._terminal:
            self._bar.console.print(f"qsmflow: {text}", markup=False, highlight=False)
        else:
            say(text, error=True)

    def _say_at_times(self, text: str) -> None:
        if not self._terminal and time.monotonic() - self._said > _PLAIN_EVERY:
            self._said = time.monotonic()
            say(text)


def _short(node: str) -> str:
    return node.removeprefix("qsmflow.")[-50:]


def show_plan(settings: Any, workflow: Any) -> None:
    """Print the settings and the nodes with their resources, as a tree."""
    from rich.console import Console
    from rich.tree import Tree

    from qsmflow.engines.execute import real_nodes
    from qsmflow.settings import to_toml

    root = Tree("qsmflow")
    branches: dict[str, Any] = {"": root}
    for node in sorted(real_nodes(workflow), key=lambda n: n.fullname):
        *folders, name = node.fullname.split(".")[1:]
        place = ""
        for folder in folders:
            path = f"{place}.{folder}"
            if path not in branches:
                branches[path] = branches[place].add(folder)
            place = path
        need = node.need
        asked = f"{need.cpus} cpu, {need.memory_gb:.1f} GB, {need.minutes:.0f} min{', 1 gpu' if need.gpus else ''}"
        branches[place].add(f"{name}  {asked}")
    console = Console()
    console.print(to_toml(settings), markup=False, highlight=False)
    console.print(root)
