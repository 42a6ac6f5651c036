"""A model version that looks at images: the square it reads, its graph, its labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlmesh.inference.session import Arrays
from mlmesh.inference.version import LoadedVersion
from mlmesh.registry.manifest import Manifest, Tensor
from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import Precondition
from vision.framing import Framing
from vision.image_reader import Framed, ImageReader
from vision.images import EncodedImage

IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Signature:
    """What the graphs of one task take and give."""

    task: str
    outputs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Timing:
    """What answering for one image took."""

    decoding: float = 0.0
    """Seconds from the bytes to what the model reads, waiting for a thread included."""
    inference: float = 0.0
    """Seconds that the batch ran which the image was in."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the graph gave for one image."""

    framed: Framed
    outputs: Arrays
    """Every output, without the batch's axis."""
    timing: Timing


class ImageModel:
    """One version, with what reading images for it takes."""

    def __init__(
        self, version: LoadedVersion, signature: Signature, framing: Callable[[int], Framing]
    ) -> None:
        """framing: of the side of the square. Raises Precondition for a version of another kind."""
        self.manifest: Manifest = version.manifest
        self.ahead = 2 * version.max_batch * len(version.devices)
        """Images of one caller that may be under way at once: enough to fill batches."""
        _require(self.manifest, signature)
        self.side = _side(self.manifest)
        self._framing = framing(self.side)
        self._version = version

    async def look(self, image: EncodedImage, reader: ImageReader, call: Call) -> Seen:
        """The graph's outputs for an image. Raises InvalidInput for one that cannot be read."""
        framed = await reader.read(image, self._framing)
        answer = await self._version.run(
            {IMAGE: framed.pixels[None]}, deadline=call.deadline, priority=call.priority
        )
        outputs = {name: output[0] for name, output in answer.outputs.items()}
        return Seen(framed, outputs, Timing(framed.seconds, answer.seconds))

    def output(self, name: str) -> Tensor:
        """What the manifest says of an output."""
        [found] = [tensor for tensor in self.manifest.outputs if tensor.name == name]
        return found

    def require_labels(self, count: int | None) -> None:
        """Raises Precondition when there are not as many labels."""
        if count != len(self.manifest.labels):
            raise Precondition(
                f"model: {self.manifest.name} has {len(self.manifest.labels)} labels, "
                f"but tells {count} classes apart"
            )


def _require(manifest: Manifest, signature: Signature) -> None:
    """Refuse a version that some other task was meant for."""
    inputs = {tensor.name for tensor in manifest.inputs}
    missing = signature.outputs - {tensor.name for tensor in manifest.outputs}
    if manifest.task != signature.task:
        made_for = f"is made for {manifest.task or 'something else'}, not for {signature.task}"
    elif inputs != {IMAGE}:
        made_for = f"takes {', '.join(sorted(inputs))}, not {IMAGE}"
    elif missing:
        made_for = f"gives no {', '.join(sorted(missing))}"
    else:
        return
    raise Precondition(
        f"model: {manifest.name} {made_for}; "
        f"call it by the Open Inference Protocol, POST /v2/models/{manifest.name}/infer"
    )


def _side(manifest: Manifest) -> int:
    """The side of the square that the graph reads."""
    [tensor] = manifest.inputs
    if tensor.dtype == "uint8" and len(tensor.shape) == 4:
        _, height, width, channels = tensor.shape
        if height is not None and height == width and channels == 3:
            return height
    raise Precondition(
        f"model: {IMAGE} of {manifest.name} is not uint8 of the shape [images, side, side, 3]"
    )
