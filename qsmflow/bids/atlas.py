"""Whether a supplied atlas can be brought into a series."""

from __future__ import annotations

from collections.abc import Iterator

from qsmflow.bids.problems import RefusalError
from qsmflow.bids.series import ELSEWHERE, Series


def check_atlas(series: Series) -> Iterator[RefusalError]:
    """What stands in the way of the regions of an atlas; nothing where no atlas is supplied."""
    given = [name for name in ELSEWHERE if name in series.supplied]
    if not given:
        return
    path, flag = series.supplied[given[0]], f"--derivatives {given[0]}"
    if len(given) < len(ELSEWHERE):
        other = next(name for name in ELSEWHERE if name not in given)
        yield RefusalError(path, flag, f"no {other}", f"supply its {other} too, --derivatives {other}=PATH")
    elif "labels" in series.supplied:
        yield RefusalError(path, flag, "labels are supplied as well", "keep one of the two")
    elif not (series.magnitude or series.real or series.has_coils):
        yield RefusalError(
            path, flag, "the series has no magnitude to register it to", "add the magnitude, or leave it out"
        )
