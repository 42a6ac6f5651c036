"""Photographs a second through the vision service, against decoding and ONNX Runtime in-process.

    python bench/images.py [--seconds 5] [--rounds 3] [--photos folder] [--models folder]

Service and gateway run in processes of their own, as they are shipped. The service is asked by
gRPC, the gateway by HTTP with JPEG bytes as the body; an answer is what the method answers when
nothing is said but the photograph. In-process means the same decoding on as many threads as the
service has, and the same session on one thread. With more than one caller the next half of the
photographs is decoded while the model reads the other. Boxes and masks are not made of what comes
out.

The parts of a call's mean time are those of gRPC callers. Decoding includes the wait for a thread,
the model's part the whole batch; the rest is gRPC, making the answer, and the callers themselves.
CPU is what a photograph costs in-process, and what it costs the service and a caller by gRPC.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import fmean, median

import grpc
import numpy as np
from image_callers import ByGrpc, ByHttp, Shares, asked

from bench.comparison.mesh import planned_mesh
from bench.comparison.photo import made_photo
from bench.comparison.program import NotStarted, Running, running
from mlmesh.inference.session import Session, SessionOptions
from mlmesh.registry.manifest import MODEL_FILE, Manifest
from mlmesh.registry.pins import PINS_FILE, read_pins
from mlmesh.registry.private_copy import copy_verified
from mlmesh.registry.signature import Trust
from mlmesh.registry.store import versions_in
from vision.framing import CentreSquare, Framing, Letterbox, Pixels
from vision.image_reader import frame
from vision.images import EncodedImage, ImageLimits
from vision.settings import VisionSettings

CALLERS = (1, 8, 32)
MODELS = ("classifier", "detector", "segmenter")
MADE = 16


@dataclass(frozen=True, slots=True)
class InProcess:
    """A model as somebody would call it who has no service."""

    session: Session
    framing: Framing
    pool: Executor

    def begin(self, photos: Sequence[bytes]) -> list[Future[Pixels]]:
        """Decode in threads."""
        return [self.pool.submit(self._read, photo) for photo in photos]

    def end(self, pixels: Sequence[Future[Pixels]]) -> None:
        """Wait for them, and run the model."""
        self.session.run({"image": np.stack([one.result() for one in pixels])})

    def _read(self, photo: bytes) -> Pixels:
        return frame(ImageLimits().checked(EncodedImage("image", photo)), self.framing).pixels


@dataclass(frozen=True, slots=True)
class Cpu:
    """Milliseconds for a photograph."""

    alone: float
    service: float
    caller: float


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of everything: photographs a second, and where the time of a call went."""

    alone: float
    by_grpc: float
    by_http: float
    shares: Shares
    cpu: Cpu


def photos_in(folder: Path | None) -> list[bytes]:
    """The JPEG files of a folder, or made ones: noise as smooth as photographs are."""
    if folder is None:
        return [made_photo(seed) for seed in range(MADE)]
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        raise SystemExit(f"{folder}: there is no JPEG file")
    return [file.read_bytes() for file in files]


def opened(name: str, models: Path, scratch: Path, pool: Executor) -> InProcess:
    """The newest version of a shipped model."""
    pins = read_pins(models.parent / PINS_FILE)
    stored = [one for one in versions_in(models) if one.model == name][-1]
    manifest: Manifest = copy_verified(
        stored, scratch / name, Trust(pinned=frozenset(pins.values()))
    )
    side = manifest.inputs[0].shape[1]
    assert side is not None
    framing = CentreSquare(side) if manifest.task == "classification" else Letterbox(side)
    return InProcess(Session(scratch / name / MODEL_FILE, SessionOptions()), framing, pool)


def in_process(
    model: InProcess, photos: Sequence[bytes], together: int, seconds: float
) -> tuple[float, int]:
    """Photographs a second with so many under way, and how many there were."""
    groups = _groups(photos, max(1, together // 2))
    ahead = model.begin(next(groups)) if together > 1 else []
    done = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        begun = model.begin(next(groups))
        now, ahead = (ahead, begun) if together > 1 else (begun, [])
        model.end(now)
        done += len(now)
    return done / (time.perf_counter() - began), done


def _groups(photos: Sequence[bytes], size: int) -> Iterator[list[bytes]]:
    source = cycle(photos)
    while True:
        yield [next(source) for _ in range(size)]


async def measure(
    addresses: tuple[str, str],
    service: Running,
    models: Mapping[str, InProcess],
    photos: Sequence[bytes],
    seconds: float,
    rounds: int,
) -> None:
    print(
        f"{len(photos)} photographs of {fmean(map(len, photos)) / 1024:.0f} KiB on average\n\n"
        "| model | callers | in-process/s | gRPC/s | share | HTTP/s | share "
        "| decode | queue | compute | rest | CPU ms in-process | service | caller |\n"
        f"{'|---' * 14}|"
    )
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(addresses[0]))
        by_grpc, by_http = ByGrpc(channel), ByHttp(addresses[1], stack)
        for name, model in models.items():
            for callers in CALLERS:
                taken = []
                for _ in range(rounds):
                    began = time.process_time()
                    alone, number = in_process(model, photos, callers, seconds)
                    alone_cpu = (time.process_time() - began) / number
                    began, service_began = time.process_time(), service.cpu_seconds
                    told, shares = await by_grpc.asked(name, photos, callers, seconds)
                    answered = len(told.answers)
                    cpu = Cpu(
                        1000 * alone_cpu,
                        1000 * (service.cpu_seconds - service_began) / answered,
                        1000 * (time.process_time() - began) / answered,
                    )
                    through = await asked(by_http.way(name), photos, callers, seconds)
                    taken.append(Round(alone, told.per_second, through.per_second, shares, cpu))
                print(_row(name, callers, taken), flush=True)


def _row(name: str, callers: int, rounds: Sequence[Round]) -> str:
    """Medians of the rounds, and of the ratios within each."""
    cells = [
        name,
        str(callers),
        f"{median(one.alone for one in rounds):.1f}",
        f"{median(one.by_grpc for one in rounds):.1f}",
        f"{median(one.by_grpc / one.alone for one in rounds):.0%}",
        f"{median(one.by_http for one in rounds):.1f}",
        f"{median(one.by_http / one.alone for one in rounds):.0%}",
        *(
            f"{median(getattr(one.shares, part) for one in rounds):.0%}"
            for part in ("decode", "queue", "compute", "rest")
        ),
        *(
            f"{median(getattr(one.cpu, part) for one in rounds):.1f}"
            for part in ("alone", "service", "caller")
        ),
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=Path, help="JPEG files of your own")
    parser.add_argument("--models", type=Path, default=VisionSettings().models)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = Path(scratch)
        mesh = planned_mesh(["vision"], folder, {"MLMESH_MODELS": str(said.models.absolute())})
        addresses = mesh.grpc_addresses["vision"], mesh.http_address
        models = {name: opened(name, said.models, folder, pool) for name in MODELS}
        photos = photos_in(said.photos)
        try:
            with running(mesh.programs, folder) as [service, _]:
                asyncio.run(measure(addresses, service, models, photos, said.seconds, said.rounds))
        except NotStarted as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
