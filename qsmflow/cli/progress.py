"""What a run says on the terminal: progress while it goes on, plain lines where there is no terminal or a dumb one."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Any

#: Seconds between two lines of progress where there are no bars.
_PLAIN_EVERY = 30.0


def say(text: str, *, error: bool = False) -> None:
    """One line for the user; faults go to stderr."""
    print(f"qsmflow: {text}", file=sys.stderr if error else sys.stdout, flush=True)


class Tally:
    """Counts one kind of thing: a bar with the name of the last that was done."""

    def __init__(self, what: str) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._what, self._done, self._count, self._said = what, 0, 0, time.monotonic()
        console = _terminal()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console) if console is not None else None
        self._bar = self._bars.add_task(what, total=None) if self._bars is not None else None

    def __enter__(self) -> Tally:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def total(self, count: int) -> None:
        """Tell how many there are."""
        self._count = count
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, total=count)

    def __call__(self, name: str) -> None:
        """Note that the one of that name is done."""
        self._done += 1
        if self._bars is not None and self._bar is not None:
            self._bars.update(self._bar, advance=1, description=f"{self._what}: {name[-50:]}")
        elif time.monotonic() - self._said > _PLAIN_EVERY:
            self._said = time.monotonic()
            say(f"{self._what}: {self._done} of {self._count} done")


class Progress:
    """Counts subjects and nodes: bars above the nodes that run, and with `verbose` a line for every node."""

    def __init__(self, verbose: int = 0) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._verbose = verbose
        self._running: dict[str, str] = {}
        self._left: Counter[str] = Counter()
        self._done, self._count, self._said = 0, 0, time.monotonic()
        self._bars = Bars(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._subjects = self._bars.add_task("subjects", total=None)
        self._nodes = self._bars.add_task("nodes", total=None)
        console = _terminal()
        self._live = Live(get_renderable=self._picture, console=console) if console is not None else None

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.clear()
        if self._live is not None:
            self._live.stop()

    def begin(self, nodes: Sequence[str]) -> None:
        """Tell the full names of all nodes."""
        self._count = len(nodes)
        self._left = Counter(_subject(node) for node in nodes)
        self._bars.update(self._nodes, total=self._count)
        self._bars.update(self._subjects, total=len(self._left))

    def __call__(self, node: str, event: str) -> None:
        """Note an event of a node: ``start``, ``end`` or ``exception``."""
        if event == "start":
            self._running[node] = _short(node)
        else:
            self._running.pop(node, None)
            self._count_off(node)
        if self._verbose:
            say(f"{event:9s} {_short(node)}")
        else:
            subjects = sum(not left for left in self._left.values())
            self._say_at_times(f"{subjects} of {len(self._left)} subjects, {self._done} of {self._count} nodes done")

    def tell(self, node: str, line: str) -> None:
        """Note how far a running node is."""
        text = f"{_short(node)}: {line}"
        if node in self._running:  # a line may be read late
            self._running[node] = text
        self._say_at_times(text)

    def warn(self, node: str, line: str) -> None:
        """Say what the user should read, whatever else is shown."""
        text = f"{_short(node)}: {line}" if node else line
        if self._live is not None:
            self._live.console.print(f"qsmflow: {text}", markup=False, highlight=False)
        else:
            say(text, error=True)

    def _count_off(self, node: str) -> None:
        self._done += 1
        self._bars.advance(self._nodes)
        self._left[_subject(node)] -= 1
        if not self._left[_subject(node)]:
            self._bars.advance(self._subjects)

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        running = [Text(f"  {line}", style="dim", no_wrap=True) for line in list(self._running.values())]
        return Group(self._bars, *running)

    def _say_at_times(self, text: str) -> None:
        if self._live is None and time.monotonic() - self._said > _PLAIN_EVERY:
            self._said = time.monotonic()
            say(text)


def _terminal() -> Any:
    """Where bars can be drawn; None where that is not: a dumb terminal cannot go back over what it wrote."""
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_terminal and not console.is_dumb_terminal else None


def _short(node: str) -> str:
    return node.removeprefix("qsmflow.")[-50:]


def _subject(node: str) -> str:
    """The part of a node's full name that names its subject: ``sub_01`` of ``qsmflow.sub_01_ses_2.field.unwrap``."""
    return "_".join(node.split(".")[1].split("_")[:2])
