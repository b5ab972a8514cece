"""The official BIDS validator, where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from qsmflow.errors import InputError

PROGRAMS = ("bids-validator-deno", "bids-validator")


def find_validator() -> str | None:
    """Path of the validator: beside this Python first, then on the PATH; None where there is none."""
    beside = str(Path(sys.executable).parent)
    for name in PROGRAMS:
        if found := shutil.which(name, path=beside) or shutil.which(name):
            return found
    return None


def errors_of(bids_dir: Path, program: str) -> list[str]:
    """One line for each error that the validator finds: its code and the file."""
    done = subprocess.run(
        [program, str(bids_dir), "--format", "json", "--ignoreWarnings"], capture_output=True, text=True, check=False
    )
    try:
        issues = json.loads(done.stdout)["issues"]["issues"]
    except (ValueError, KeyError) as error:
        raise InputError(f"{bids_dir}: {program} gave no answer ({done.stderr.strip()[-200:]})") from error
    found = [issue for issue in issues if issue.get("severity") == "error"]
    return [f"{issue['code']}: {issue.get('location', '')} {issue.get('issueMessage', '')}".strip() for issue in found]


def run_validator(bids_dir: Path) -> str:
    """Validate `bids_dir` and say so in one line; without a validator, say that instead.

    Raises
    ------
    InputError
        The dataset is not valid BIDS; the line names the first error and how to go on.
    """
    program = find_validator()
    if program is None:
        return "the BIDS validator is not installed; the dataset was not validated (pip install bids-validator-deno)"
    errors = errors_of(bids_dir, program)
    if errors:
        more = f" and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise InputError(f"{bids_dir}: not valid BIDS: {errors[0]}{more}; mend it or give --skip-bids-validation")
    return "the BIDS validator finds no error"
