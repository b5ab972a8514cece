"""``qsmflow VERB …``: finds the verb, runs it, and turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import errno
import importlib
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import qsmflow
from qsmflow.cli.options import shield_negatives
from qsmflow.errors import QsmflowError, UsageError

#: Modules of `qsmflow.cli`, one a verb; each has ``add_parser(subparsers)``, which names its ``run(args) -> int``.
VERBS = ("run", "validate", "stage", "simulate", "weights", "score", "train", "slurm", "study")

#: What a disk says that takes no more; no fault of the program.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class _Parser(argparse.ArgumentParser):
    """Reports bad usage like every other error: one line, without the whole synopsis."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}{self._mend(message)} (see '{self.prog} --help')")

    def _mend(self, message: str) -> str:
        """What to do where an option of several values may have taken the arguments behind it for its own."""
        found = re.match(r"argument (?:[^:]*/)?(--[^:/]+): invalid", message)
        several = found and any(found[1] in one.option_strings and one.nargs == "+" for one in self._actions)
        places = [str(one.metavar or one.dest.upper()) for one in self._actions if not one.option_strings]
        return f"; put {' '.join(places)} before {found[1]}" if found and several and places else ""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; its result has ``func``, the ``run`` of the chosen verb."""
    parser = _Parser(prog="qsmflow", description=qsmflow.__doc__)
    parser.add_argument("--version", action="version", version=f"qsmflow {qsmflow.__version__}")
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        importlib.import_module(f"qsmflow.cli.{verb}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments without the program's name; None takes those of the process.

    Returns
    -------
    int
        0 done, 1 processing failed, 2 bad usage or input, 127 a program is missing, 130 interrupted.
    """
    return guarded(lambda: _run(sys.argv[1:] if argv is None else list(argv)))


def _run(words: list[str]) -> int:
    args = build_parser().parse_args(shield_negatives(words))
    args.words = words
    return int(args.func(args))


def guarded(work: Callable[[], int]) -> int:
    """Do `work` and return its exit code; what goes wrong is one line and a code."""
    try:
        return work()
    except QsmflowError as error:
        print(f"qsmflow: error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in _DISK:
            raise
        print(
            f"qsmflow: error: {error.filename or 'a disk'}: {error.strerror}; what is finished is kept", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("qsmflow: interrupted; what is finished is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
