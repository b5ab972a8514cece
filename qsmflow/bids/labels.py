"""The names of the regions of a label map: the table that BIDS puts beside a ``dseg``."""

from __future__ import annotations

import csv
from pathlib import Path

from qsmflow.bids.filenames import parse_name
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.sidecars import folders


def label_names(image: Path) -> dict[int, str]:
    """Names by index from the nearest ``*dseg.tsv`` that applies to `image`.

    It is the table of the image's own name, or one with no entity that the image lacks, in its folder or one above
    it up to the dataset. Without a table the dictionary is empty, and regions go by their numbers.

    Raises
    ------
    RefusalError
        The table lacks the columns ``index`` and ``name``, or an index is no whole number.
    """
    table = _table_of(image)
    if table is None:
        return {}
    mend = "give a tab-separated table with the columns index and name"
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            return {int(row["index"]): row["name"] for row in csv.DictReader(stream, delimiter="\t")}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise RefusalError(table, "index, name", f"cannot be read ({error})", mend) from error


def _table_of(image: Path) -> Path | None:
    own = image.with_name(image.name.split(".")[0] + ".tsv")
    if own.exists():
        return own
    name = parse_name(image.name)
    if name is None:
        return None
    for folder in reversed(folders(image)):
        fitting = [
            (len(other.entities), path)
            for path in sorted(folder.glob("*dseg.tsv"))
            if (other := parse_name(path.name)) is not None and other.entities.items() <= name.entities.items()
        ]
        if fitting:
            return max(fitting)[1]
    return None
