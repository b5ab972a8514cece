"""Pictures with a palette: values in the colours of a scale, writing in greys, outlines in colours of their own."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Literal

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

#: Okabe and Ito's orange, sky blue and green: told apart by every common kind of colour vision.
OUTLINE_COLOURS = ("#e69f00", "#56b4e9", "#00d69b")
#: Places in the palette: of the scale, then greys from black to the ink's, then shades of each outline.
_VALUES, _GREYS, _SHADES = 128, 27, 7
_BLACK = _VALUES
_INK = _VALUES + _GREYS - 1
_INK_COLOUR = "#e9edf2"

Anchor = Literal["lm", "mm", "rm"]


class Sheet:
    """A black picture to draw on.

    Parameters
    ----------
    height, width
        Pixels.
    colours
        Matplotlib's name of the colours of values.
    """

    def __init__(self, height: int, width: int, colours: str) -> None:
        self._colours = colours
        self._pixels = np.full((height, width), _BLACK, np.uint8)
        self._rims, self._letters = Image.new("L", (width, height)), Image.new("L", (width, height))

    def values(self, row: int, column: int, shares: NDArray[np.float32]) -> None:
        """Lay a picture with its upper left corner at a pixel; 0 to 1 are the scale, NaN stays black."""
        height, width = shares.shape
        at = np.rint(np.clip(np.nan_to_num(shares), 0.0, 1.0) * (_VALUES - 1)).astype(np.uint8)
        self._pixels[row : row + height, column : column + width] = np.where(np.isnan(shares), np.uint8(_BLACK), at)

    def outline(self, row: int, column: int, cover: NDArray[np.float32], colour: int) -> None:
        """Draw lines with their upper left corner at a pixel; `cover` is 0 to 1, `colour` counts `OUTLINE_COLOURS`."""
        height, width = cover.shape
        shade = np.rint(cover * _SHADES).astype(np.uint8)
        under = self._pixels[row : row + height, column : column + width]
        first = np.uint8(_VALUES + _GREYS + colour * _SHADES - 1)
        # a fainter shade than the second would be a black pixel on a bright one
        under[shade > 1] = first + shade[shade > 1]

    def box(self, row: int, column: int, height: int, width: int, colour: int | None = None) -> None:
        """Fill a rectangle with ink, or with one of the `OUTLINE_COLOURS`."""
        index = _INK if colour is None else _VALUES + _GREYS + (colour + 1) * _SHADES - 1
        self._pixels[row : row + height, column : column + width] = index

    def text(
        self, row: float, column: float, words: str, size: float, *, anchor: Anchor = "lm", bold: bool = False
    ) -> float:
        """Write `words` over all else, in letters of `size` pixels with a black rim; returns their width in pixels.

        `anchor` is Pillow's: which point of the words lies at the pixel.
        """
        for image, stroke in ((self._rims, 2), (self._letters, 0)):
            written, left, top = _written(words, size, bold, anchor, stroke)
            image.paste(255, (round(column) + left, round(row) + top), written)
        return _font(size, bold).getlength(words)

    def upright_text(self, row: float, column: float, words: str, size: float) -> None:
        """Write `words` from below upwards, their middle at a pixel."""
        font = _font(size, False)
        left, top, right, bottom = font.getbbox(words)
        image = Image.new("L", (round(right - left) + 2, round(bottom - top) + 2))
        ImageDraw.Draw(image).text((1 - left, 1 - top), words, fill=255, font=font)
        image = image.transpose(Image.Transpose.ROTATE_90)
        self._letters.paste(image, (round(column - image.width / 2), round(row - image.height / 2)))

    def png(self) -> bytes:
        """The picture as a PNG with a palette."""
        pixels = np.where(np.asarray(self._rims) > 127, np.uint8(_BLACK), self._pixels)
        grey = np.rint(np.asarray(self._letters) / 255.0 * (_GREYS - 1)).astype(np.uint8)
        pixels[grey > 2] = _BLACK + grey[grey > 2]
        image = Image.fromarray(pixels)
        image.putpalette(_palette(self._colours))
        out = io.BytesIO()
        image.save(out, format="png")
        return out.getvalue()


def text_width(words: str, size: float) -> float:
    """Width of `words` in pixels, in letters of `size` pixels that are as wide as any of a usual sans serif."""
    return _font(size, False).getlength(words)


@lru_cache(maxsize=1024)
def _written(words: str, size: float, bold: bool, anchor: Anchor, stroke: int) -> tuple[Image.Image, int, int]:
    """Letters with a rim of `stroke` pixels, and where their corner lies from the anchor; pictures share most words."""
    font = _font(size, bold)
    left, top, right, bottom = font.getbbox(words, anchor=anchor, stroke_width=stroke)
    image = Image.new("L", (round(right - left) + 1, round(bottom - top) + 1))
    ImageDraw.Draw(image).text((-left, -top), words, fill=255, font=font, anchor=anchor, stroke_width=stroke)
    return image, round(left), round(top)


@lru_cache(maxsize=16)
def _font(size: float, bold: bool) -> ImageFont.FreeTypeFont:
    folder = f"{matplotlib.get_data_path()}/fonts/ttf"
    return ImageFont.truetype(f"{folder}/DejaVuSans{'-Bold' if bold else ''}.ttf", size)


@lru_cache(maxsize=16)
def _palette(colours: str) -> bytes:
    scale = colormaps[colours](np.linspace(0, 1, _VALUES))[:, :3]
    greys = np.linspace(0, 1, _GREYS)[:, None] * to_rgb(_INK_COLOUR)
    shades = [np.linspace(0, 1, _SHADES + 1)[1:, None] * to_rgb(colour) for colour in OUTLINE_COLOURS]
    return (255 * np.concatenate([scale, greys, *shades])).round().astype(np.uint8).tobytes()
