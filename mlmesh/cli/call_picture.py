"""A picture in a terminal: two pixels to a character, one above the other."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from mlmesh.cli.call_bytes import kind_of

if TYPE_CHECKING:
    from PIL import Image

LINES = 24
COLUMNS = 80
MAX_PIXELS = 50_000_000
UPPER_HALF = "\u2580"


def picture(console: Console, content: bytes) -> Text | None:
    """The picture, small enough for the console; None where it cannot be shown.

    It needs Pillow, a terminal with colours, and a PNG or JPEG of at most MAX_PIXELS.
    """
    if not console.is_terminal or console.color_system in (None, "standard"):
        return None
    image = _small(content, min(console.width, COLUMNS)) if kind_of(content) else None
    return None if image is None else _halves(image)


def _small(content: bytes, columns: int) -> Image.Image | None:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.draft("RGB", (2 * columns, 4 * LINES))
            return _fitted(image.convert("RGBA"), columns)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _fitted(image: Image.Image, columns: int) -> Image.Image:
    """On black, with an even height."""
    from PIL import Image

    scale = min(columns / image.width, 2 * LINES / image.height, 1.0)
    width = max(1, round(image.width * scale))
    height = max(2, round(image.height * scale / 2) * 2)
    ground = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    ground.alpha_composite(image.resize((width, height), Image.Resampling.BOX))
    return ground.convert("RGB")


def _halves(image: Image.Image) -> Text:
    pixels = image.tobytes()
    lines = []
    row = 3 * image.width
    for upper in range(0, len(pixels), 2 * row):
        line = Text()
        for place in range(upper, upper + row, 3):
            style = Style(color=_colour(pixels, place), bgcolor=_colour(pixels, place + row))
            line.append(UPPER_HALF, style)
        lines.append(line)
    return Text("\n").join(lines)


def _colour(pixels: bytes, place: int) -> Color:
    return Color.from_rgb(*pixels[place : place + 3])
