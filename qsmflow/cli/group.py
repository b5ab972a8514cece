"""``qsmflow run BIDS OUT group``: the report of a cohort."""

from __future__ import annotations

import argparse

from qsmflow.errors import UsageError

from .selection import selection_from


def run_group(args: argparse.Namespace) -> int:
    """Write the group's page and tables from what the participant level left in OUT."""
    from qsmflow.reports.group import write_group_report

    from .progress import say

    if args.dry_run:
        raise UsageError("--dry-run: the group level reads tables and writes tables; leave the flag out")
    page = write_group_report(args.out_dir.absolute(), selection_from(args).participants)
    say(f"report: {page}")
    for name in ("quality", "rois"):
        say(f"table: {page.with_name(f'group_{name}.tsv')}")
    return 0
