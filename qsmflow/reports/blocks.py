"""What a report is made of: sections that hold notes, tables, pictures; the template knows how each looks."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from typing import ClassVar

from PIL import Image

#: Of the pictures in a page, 0 to 100: greys are off by 1 of 255 on average, coloured outlines by more.
_QUALITY = 90


@dataclass(frozen=True)
class Note:
    """A sentence to the reader; `tone` is ``info``, ``warn`` or ``bad``."""

    text: str
    tone: str = "info"
    kind: ClassVar[str] = "note"


@dataclass(frozen=True)
class Cards:
    """Large figures with a label each: (label, value, small print)."""

    cards: list[tuple[str, str, str]]
    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Table:
    """A table; the first cell of each row is its heading."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Items:
    """A titled list."""

    title: str
    items: list[str]
    kind: ClassVar[str] = "items"


@dataclass(frozen=True)
class Picture:
    """A PNG with its name (of the file, and the anchor), a sentence for those who cannot see it, and a caption."""

    name: str
    png: bytes
    alt: str
    caption: str
    kind: ClassVar[str] = "picture"

    @property
    def uri(self) -> str:
        """The picture inside the page: WebP, less than half as large, and no different to the eye."""
        out = io.BytesIO()
        Image.open(io.BytesIO(self.png)).convert("RGB").save(out, format="webp", quality=_QUALITY, method=2)
        return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the PNG's header."""
        return int.from_bytes(self.png[16:20], "big"), int.from_bytes(self.png[20:24], "big")


@dataclass(frozen=True)
class Flicker:
    """Two pictures in one place, to be changed by pointer, keyboard or by themselves."""

    name: str
    first: Picture
    second: Picture
    caption: str
    kind: ClassVar[str] = "flicker"


@dataclass(frozen=True)
class Choice:
    """Pictures of which one is shown, chosen by its label; the one numbered `chosen` at first, and on paper."""

    name: str
    legend: str
    labels: list[str]
    pictures: list[Picture]
    chosen: int
    kind: ClassVar[str] = "choice"


@dataclass(frozen=True)
class Grid:
    """A long table that the page sorts, filters and shows in parts.

    `rows` hold text, numbers and None, and a column with fractions is shown to four significant digits; `marked` are
    pairs of a row and its columns that stand out; a text of `pages` links to the page of that name.
    """

    name: str
    caption: str
    head: list[str]
    rows: list[list[object]]
    marked: list[tuple[int, list[int]]]
    pages: list[str]
    kind: ClassVar[str] = "grid"

    @property
    def content(self) -> str:
        """What ``grid.js`` draws, as JSON that may stand inside HTML."""
        fractions = {column for row in self.rows for column, value in enumerate(row) if isinstance(value, float)}
        content = {"head": self.head, "rows": self.rows, "marked": self.marked, "pages": self.pages}
        content["fractions"] = sorted(fractions)
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


@dataclass(frozen=True)
class Viewer:
    """Volumes to move through: `content` is the JSON that ``viewer.js`` draws, beside what can be chosen."""

    name: str
    content: str
    maps: list[str]
    ranges: list[str]
    caption: str
    kind: ClassVar[str] = "viewer"


@dataclass(frozen=True)
class Code:
    """Text to be copied."""

    label: str
    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Html:
    """Trusted HTML that this package made itself."""

    text: str
    kind: ClassVar[str] = "html"


@dataclass(frozen=True)
class Details:
    """Blocks that open on demand."""

    summary: str
    blocks: list[Block]
    kind: ClassVar[str] = "details"


Block = Note | Cards | Table | Items | Picture | Flicker | Choice | Grid | Viewer | Code | Html | Details


@dataclass
class Section:
    """A heading with its blocks and the sections below it."""

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    children: list[Section] = field(default_factory=list)

    def pictures(self) -> list[Picture]:
        """Every picture of this section and those below, in order."""
        return _pictures(self.blocks) + [p for child in self.children for p in child.pictures()]


def _pictures(blocks: list[Block]) -> list[Picture]:
    found: list[Picture] = []
    for block in blocks:
        if isinstance(block, Picture):
            found.append(block)
        elif isinstance(block, Flicker):
            found += [block.first, block.second]
        elif isinstance(block, Choice):
            found += block.pictures
        elif isinstance(block, Details):
            found += _pictures(block.blocks)
    return found
