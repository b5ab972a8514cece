"""The flags that say what SLURM is asked; shared by the verbs that submit to it."""

from __future__ import annotations

import argparse
import dataclasses

from qsmflow.config.slurm import SLURM
from qsmflow.settings import ConfigError, from_table

from .options import add_setting, given

#: The table of `given` in which these flags stand.
TABLE = "slurm"


def add_slurm_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting of `SLURM` to `parser`; `slurm_from` reads them."""
    group = parser.add_argument_group("SLURM")
    for item in dataclasses.fields(SLURM):
        add_setting(group, [f"--slurm-{item.name}".replace("_", "-")], SLURM, item.name, TABLE)


def slurm_from(args: argparse.Namespace) -> SLURM:
    """What SLURM is asked by `args`; raises `ConfigError`, which names the flag, for a value that cannot be."""
    try:
        return from_table(SLURM, given(args).get(TABLE, {}))
    except ConfigError as error:
        name, _, why = str(error).partition(":")
        raise ConfigError(f"--slurm-{name.replace('_', '-')}:{why}") from error
