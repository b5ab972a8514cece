"""JSON sidecars, merged by the inheritance principle of BIDS."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from qsmflow.bids.filenames import FileName, parse_name
from qsmflow.bids.naming import sidecar_path
from qsmflow.bids.problems import RefusalError


class Sidecars:
    """Metadata of images; every folder is listed once, so make a new one when files have changed."""

    def __init__(self) -> None:
        self._listings: dict[Path, dict[str, list[tuple[FileName, Path]]]] = {}

    def metadata(self, image: Path) -> dict[str, Any]:
        """All that the JSON files say of `image`.

        A JSON file applies when it has the suffix of the image and no entity that the image lacks, and stands in the
        folder of the image or one above it, up to the dataset. The nearer folder wins; in one folder the name with
        more entities.

        Raises
        ------
        RefusalError
            One of the files is not a JSON object.
        """
        merged: dict[str, Any] = {}
        name = parse_name(image.name)
        if name is None:
            own = sidecar_path(image)
            return read_json(own) if own.exists() else merged
        for folder in folders(image):
            found = [
                (len(other.entities), path)
                for other, path in self._listing(folder).get(name.suffix, ())
                if other.entities.items() <= name.entities.items()
            ]
            for _, path in sorted(found):
                merged.update(read_json(path))
        return merged

    def _listing(self, folder: Path) -> dict[str, list[tuple[FileName, Path]]]:
        """The JSON files of `folder` by suffix."""
        if folder not in self._listings:
            listing: dict[str, list[tuple[FileName, Path]]] = {}
            for entry in os.scandir(folder):
                name = parse_name(entry.name) if entry.name.endswith(".json") else None
                if name is not None:
                    listing.setdefault(name.suffix, []).append((name, Path(entry.path)))
            self._listings[folder] = listing
        return self._listings[folder]


def folders(image: Path) -> list[Path]:
    """From the dataset (the folder that holds ``sub-*``) down to the folder of `image`."""
    chain = [image.parent]
    for folder in image.parents:
        if folder.name.startswith("sub-"):
            return [folder.parent, *reversed(chain)]
        chain.append(folder.parent)
    return [image.parent]


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; raises `RefusalError` where there is none."""
    mend = "write a valid JSON object"
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RefusalError(path, "JSON", f"cannot be read ({error})", mend) from error
    if not isinstance(content, dict):
        raise RefusalError(path, "JSON", f"holds a {type(content).__name__}, not an object", mend)
    return content
