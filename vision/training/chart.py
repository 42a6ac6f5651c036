"""Small charts as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 460
LEFT, TOP, RIGHT, BOTTOM = 62, 34, 14, 50
LEGEND = LEFT + 270
INK, FAINT, PAPER = (40, 40, 40), (220, 220, 220), (255, 255, 255)
COLOURS = ((200, 60, 60), (40, 150, 80), (60, 100, 210), (200, 140, 30), (130, 80, 170))
TEXT = 14
COLOUR_COUNT = 64
"""Colours of the file: charts have few."""
Line = tuple[str, NDArray[np.float64], NDArray[np.float64]]
"""What it is called, and where it goes: x and y of its points, 0 to 1."""


class Chart:
    """A square from 0 to 1 in both directions."""

    def __init__(self, title: str, across: str, up: str) -> None:
        size = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
        self.picture = Image.new("RGB", size, PAPER)
        self._pen = ImageDraw.Draw(self.picture)
        self._font = ImageFont.load_default(TEXT)
        self._pen.text((LEFT, 8), title, INK, self._font)
        for tenth in range(0, 11, 2):
            (x, y), said = self._at(tenth / 10, tenth / 10), f"{tenth / 10:.1f}"
            self._pen.line((x, TOP, x, TOP + SIDE), FAINT)
            self._pen.line((LEFT, y, LEFT + SIDE, y), FAINT)
            self._pen.text((x - 9, TOP + SIDE + 5), said, INK, self._font)
            self._pen.text((LEFT - 28, y - 9), said, INK, self._font)
        self._pen.text((LEFT + SIDE // 3, TOP + SIDE + 25), across, INK, self._font)
        turned = Image.new("RGB", (SIDE, 20), PAPER)
        ImageDraw.Draw(turned).text((SIDE // 3, 0), up, INK, self._font)
        self.picture.paste(turned.rotate(90, expand=True), (6, TOP))

    def lines(self, lines: Sequence[Line]) -> Chart:
        for place, (name, xs, ys) in enumerate(lines):
            colour = COLOURS[place % len(COLOURS)]
            points = [self._at(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
            self._pen.line(points, colour, 3)
            at = TOP + SIDE - 22 * (len(lines) - place) - 8
            self._pen.line((LEGEND, at + 9, LEGEND + 22, at + 9), colour, 3)
            self._pen.text((LEGEND + 30, at), name, INK, self._font)
        return self

    def diagonal(self) -> Chart:
        self._pen.line((self._at(0, 0), self._at(1, 1)), INK)
        return self

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return LEFT + x * SIDE, TOP + (1 - y) * SIDE


def table_chart(title: str, shares: NDArray[np.float64], labels: Sequence[str]) -> Image.Image:
    """Shares of each row as a table in shades: what is true down the side, the answer on top."""
    cell, head = 54, 84
    size = head + cell * len(labels) + 8
    picture = Image.new("RGB", (size, size + 26), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    pen.text((8, 6), title, INK, ImageFont.load_default(TEXT))
    for row, label in enumerate(labels):
        top = head + 26 + row * cell
        pen.text((6, top + cell // 2 - 8), label, INK, font)
        pen.text((head + row * cell + 2, head + 6), label[:7], INK, font)
        for column in range(len(labels)):
            left, share = head + column * cell, float(shares[row, column])
            shade = round(255 * (1 - min(1.0, share**0.5)))
            pen.rectangle((left, top, left + cell - 2, top + cell - 2), (shade, shade, 255))
            colour = PAPER if shade < 110 else INK
            pen.text((left + 8, top + cell // 2 - 8), f"{share * 100:.1f}", colour, font)
    return picture


def small(picture: Image.Image) -> Image.Image:
    """With few colours, for a small file."""
    return picture.quantize(COLOUR_COUNT)
