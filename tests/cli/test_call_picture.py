from __future__ import annotations

import io
import struct
import sys
import zlib

import pytest
from PIL import Image
from rich.console import Console

from mlmesh.cli.call_picture import COLUMNS, LINES, MAX_PIXELS, UPPER_HALF, picture
from tests.vision.pictures import BLUE, PNG_SIGNATURE, RED, encoded, plain


def console(*, colours: str | None = "truecolor", terminal: bool = True) -> Console:
    return Console(
        file=io.StringIO(), width=100, force_terminal=terminal, color_system=colours  # type: ignore[arg-type]
    )  # fmt: skip


def test_two_pixels_are_one_character() -> None:
    pixels = plain(3, 4, RED)
    pixels[1::2] = BLUE

    shown = picture(console(), encoded(pixels))

    assert shown is not None
    assert shown.plain == "\n".join([UPPER_HALF * 3] * 2)
    assert {str(span.style) for span in shown.spans} == {"#ff0000 on #0000ff"}


@pytest.mark.parametrize("size", [(4000, 3000), (30, 3000), (3000, 30), (1, 1), (5, 1000)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_large_pictures_are_made_to_fit(size: tuple[int, int], kind: str) -> None:
    shown = picture(console(), encoded(plain(*size), kind))

    assert shown is not None
    lines = shown.plain.split("\n")
    assert 1 <= len(lines) <= LINES
    assert 1 <= len(lines[0]) <= COLUMNS


def test_what_is_transparent_is_black() -> None:
    shown = picture(console(), encoded(Image.new("RGBA", (2, 2), (255, 0, 0, 0))))

    assert shown is not None
    assert {str(span.style) for span in shown.spans} == {"#000000 on #000000"}


def bomb() -> bytes:
    """A small file that says it has very many pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 20_000, MAX_PIXELS // 20_000 + 1, 8, 0, 0, 0, 0)
    return PNG_SIGNATURE + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"\xff\xd8\xff", encoded(plain(9, 9))[:45], bomb(), encoded(plain(9, 9), "BMP")],
    ids=["empty", "text", "broken", "cut", "bomb", "other"],
)
def test_what_cannot_be_shown_is_not(content: bytes) -> None:
    assert picture(console(), content) is None


def test_a_file_is_no_terminal_and_needs_no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(plain(9, 9))

    assert picture(console(terminal=False), content) is None
    assert picture(console(colours=None), content) is None
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert picture(console(), content) is None
