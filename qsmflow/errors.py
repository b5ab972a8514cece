"""What can go wrong, by exit code: the command line prints the message as one line and leaves with the code.

A message names the file, the field and the mend. Every room but `qsmflow.core`, which raises ``ValueError``, may use
these classes.
"""

from __future__ import annotations


class QsmflowError(Exception):
    """Processing failed."""

    exit_code = 1


class UsageError(QsmflowError):
    """The command, one of its options or a setting cannot be used."""

    exit_code = 2


class InputError(QsmflowError):
    """A file or dataset given as input cannot be used."""

    exit_code = 2


class MissingProgramError(QsmflowError):
    """A program that must be installed is not found."""

    exit_code = 127
