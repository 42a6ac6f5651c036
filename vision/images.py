"""Images as callers send them, and what is refused of them before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from mlmesh.runtime.errors import InvalidInput, UnsupportedMediaType
from vision.formats import (
    READ,
    UNDECLARED,
    ImageFormat,
    declared_format,
    description,
    format_of,
)
from vision.headers import BadHeader, Size, read_size


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """The bytes of an image, and the field that they came in, for what is said when it is wrong."""

    field: str
    content: bytes
    media_type: str = ""
    """What the caller says that it is; empty where nothing was said."""


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image whose header was read and is within the limits."""

    field: str
    content: bytes
    format: ImageFormat
    size: Size


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How large images may be."""

    image_bytes: int = 16 * 2**20
    """Of one file."""
    pixels: int = 50_000_000
    """Width times height."""
    side: int = 65_535
    """Width and height each."""

    def checked(self, image: EncodedImage) -> CheckedImage:
        """The image with its kind and size.

        Raises UnsupportedMediaType for what is no image that is read, InvalidInput for one that is
        empty, too large or not what it was declared as.
        """
        if not image.content:
            raise InvalidInput(image.field, "is empty, send the bytes of an image")
        self._check_bytes(image)
        kind = format_of(image.content)
        _check_declared(image, kind)
        if kind is None:
            raise UnsupportedMediaType(
                image.field, f"this is {description(image.content)}; send {READ}"
            )
        try:
            size = read_size(image.content, kind)
        except BadHeader as error:
            raise InvalidInput(image.field, f"this {kind.name} cannot be read, {error}") from None
        self._check_size(image.field, size)
        return CheckedImage(image.field, image.content, kind, size)

    def _check_bytes(self, image: EncodedImage) -> None:
        size = len(image.content)
        if size > self.image_bytes:
            raise InvalidInput(
                image.field,
                f"{size} bytes, the limit is {self.image_bytes}; send it smaller, "
                "or have MLMESH_MAX_IMAGE_BYTES raised",
            )

    def _check_size(self, field: str, size: Size) -> None:
        said = f"{size.width} x {size.height}"
        if max(size.width, size.height) > self.side:
            raise InvalidInput(
                field,
                f"{said}, the limit of a side is {self.side}; send it smaller, "
                "or have MLMESH_MAX_SIDE raised",
            )
        if size.pixels > self.pixels:
            raise InvalidInput(
                field,
                f"{said} is {size.pixels} pixels, the limit is {self.pixels}; send it smaller, "
                "or have MLMESH_MAX_PIXELS raised",
            )


def _check_declared(image: EncodedImage, kind: ImageFormat | None) -> None:
    """Raises for a media type that is not read, or that stands for something else."""
    said = image.media_type.partition(";")[0].strip().lower()
    if said in UNDECLARED:
        return
    declared = declared_format(said)
    if declared is None:
        raise UnsupportedMediaType("media_type", f"{said[:64]!r} is not read; send {READ}")
    if declared is not kind:
        what = f"a {kind.name}" if kind else description(image.content)
        raise UnsupportedMediaType(
            image.field,
            f"this is {what}, but was declared as {said}; declare what it is, or nothing",
        )
