"""Intermediates that the user supplies: ``--derivatives NAME=PATH``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from qsmflow.bids.filenames import parse_name
from qsmflow.bids.naming import OUTPUTS, Output, join_entities
from qsmflow.bids.problems import RefusalError
from qsmflow.bids.series import ELSEWHERE, SUPPLIED
from qsmflow.bids.sidecars import Sidecars

#: Supplied under whatever ``desc`` where it is the only one.
_ANY_DESC = ("mask", "labels")

_KINDS: dict[str, Output] = {
    "mask": OUTPUTS["brain"],
    "csf": OUTPUTS["csf"],
    "reference": OUTPUTS["reference"],
    "labels": OUTPUTS["rois"],
    "total": OUTPUTS["total"],
    "local": OUTPUTS["local"],
    "cosmos": OUTPUTS["cosmos"],
}


class Supplied:
    """Finds the supplied intermediates of a series or a head.

    Parameters
    ----------
    derivatives
        From a name of `SUPPLIED` to a BIDS derivative dataset, in which files are matched by all their entities, or
        to one image file, which is then taken for the only series there is (`single` names such entries).

    Raises
    ------
    RefusalError
        A name that is not of `SUPPLIED`, or a path that does not exist.
    """

    def __init__(self, derivatives: Mapping[str, Path]) -> None:
        for name, path in derivatives.items():
            if name not in SUPPLIED:
                raise RefusalError(
                    path, "--derivatives", f"no intermediate {name!r}", f"take one of {', '.join(SUPPLIED)}"
                )
            if not path.exists():
                raise RefusalError(path, f"--derivatives {name}", "does not exist", "mend the path")
            if name in ELSEWHERE and not path.is_file():
                raise RefusalError(path, f"--derivatives {name}", "is no file", "give one image, for all series")
        self._derivatives = dict(derivatives)
        self._sidecars = Sidecars()

    @property
    def single(self) -> dict[str, Path]:
        """The entries that are the file of one series."""
        files = {name: path for name, path in self._derivatives.items() if path.is_file()}
        return {name: path for name, path in files.items() if name not in ELSEWHERE}

    def of_series(self, entities: Mapping[str, str]) -> dict[str, Path]:
        """What is supplied of the series named by `entities`; raises `RefusalError` where something is missing."""
        names = [name for name in self._derivatives if name != "cosmos"]
        return {name: self._find(name, [dict(entities)]) for name in names}

    def of_head(self, head: Mapping[str, str], reference: Mapping[str, str], entity: str) -> dict[str, Path]:
        """The COSMOS map of a head, on the grid of its reference series.

        Named by the entities of the head, with or without ``space-`` and the orientation of the reference, or by
        the entities of the reference series.
        """
        if "cosmos" not in self._derivatives:
            return {}
        names = [dict(head), dict(reference)]
        if entity in reference:
            names.append({**head, "space": reference[entity]})
        return {"cosmos": self._find("cosmos", names)}

    def _find(self, name: str, wanted: list[dict[str, str]]) -> Path:
        root = self._derivatives[name]
        if name in ELSEWHERE:
            return root
        kind = _KINDS[name]
        if root.is_file():
            return self._fit(name, root)
        found: dict[str, Path] = {}
        for path in _images(root, wanted[0]):
            parsed = parse_name(path.name)
            if parsed is None or parsed.suffix != kind.suffix or parsed.extension not in (".nii", ".nii.gz"):
                continue
            desc = parsed.entities.pop("desc", "")
            if parsed.entities not in wanted:
                continue
            if desc in found:
                raise RefusalError(
                    path, f"--derivatives {name}", f"{found[desc].name} says the same", "keep one of the two"
                )
            found[desc] = path
        assert kind.desc is not None
        if kind.desc in found:
            return self._fit(name, found[kind.desc])
        if name in _ANY_DESC and len(found) == 1:
            return self._fit(name, next(iter(found.values())))
        file = f"{join_entities(wanted[0])}_desc-{kind.desc}_{kind.suffix}.nii.gz"
        if found and name in _ANY_DESC:
            listed = ", ".join(sorted(path.name for path in found.values()))
            raise RefusalError(
                root, f"--derivatives {name}", f"several of them ({listed})", f"name the one to take {file}"
            )
        raise RefusalError(root, f"--derivatives {name}", f"no {file}", "add it, or leave the subject out")

    def _fit(self, name: str, path: Path) -> Path:
        """`path`, once its sidecar says that it is in the unit in which the pipeline reads it."""
        unit = _KINDS[name].sidecar.get("Units")
        if unit is not None:
            told = self._sidecars.metadata(path).get("Units")
            if told != unit:
                message = "missing from the sidecar" if told is None else f"is {told!r}"
                raise RefusalError(
                    path, "Units", message, f'give the map in {unit} and say "Units": "{unit}" in its JSON'
                )
        return path


def _images(root: Path, entities: Mapping[str, str]) -> Iterator[Path]:
    folder = root / f"sub-{entities['sub']}"
    if "ses" in entities:
        folder /= f"ses-{entities['ses']}"
    if not folder.is_dir():
        return
    for datatype in os.scandir(folder):
        if datatype.is_dir():
            yield from sorted(Path(entry.path) for entry in os.scandir(datatype.path))
