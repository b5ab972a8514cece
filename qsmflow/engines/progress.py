"""How far a node is: from the process that computes it to the one that holds the graph, by a line in its folder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

#: Name of the file with the line; it is there only while the node runs.
FILE = "progress.txt"
#: Seconds between two looks at the lines of the nodes that run.
EVERY = 1.0


def leave(folder: Path, line: str) -> None:
    """Say in `folder` how far its node is."""
    (folder / FILE).write_text(line)


def clear(folder: Path) -> None:
    """Take the line away, where there is one."""
    (folder / FILE).unlink(missing_ok=True)


def read(folder: Path) -> str:
    """What was left in `folder`; empty where there is nothing."""
    try:
        return (folder / FILE).read_text()
    except OSError:
        return ""


class Reader:
    """Reads, in a thread of its own, the lines of the nodes that run, and tells each new one.

    `tell` is called with the name of the node and its line.
    """

    def __init__(self, tell: Callable[[str, str], None], every: float = EVERY) -> None:
        self._tell, self._every = tell, every
        self._folders: dict[str, Path] = {}
        self._last: dict[str, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self, node: str, folder: Path) -> None:
        """`node` computes in `folder` from now on; what an earlier one left there is old."""
        clear(folder)
        self._folders[node] = folder

    def end(self, node: str) -> None:
        """`node` computes no longer."""
        self._folders.pop(node, None)

    def _read(self) -> None:
        while not self._ended.wait(self._every):
            for node, folder in list(self._folders.items()):
                line = read(folder)
                if line and line != self._last.get(node):
                    self._last[node] = line
                    self._tell(node, line)
