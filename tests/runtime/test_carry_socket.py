"""Carry over a Unix socket, as a server offers it and as its callers use it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mlmesh.runtime.admission import Limits
from mlmesh.runtime.chain import Service
from mlmesh.runtime.coalescing.carrier import open_carrier
from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.socket_call import SocketCall, open_socket_call
from mlmesh.runtime.errors import ServingError
from mlmesh.runtime.frames import PREFIX, TRAILERS, code_of
from mlmesh.runtime.health import Health
from mlmesh.runtime.metrics import ServerMetrics
from mlmesh.runtime.neighbours import neighbour, socket_path
from mlmesh.runtime.server import running_server
from mlmesh.v1 import mesh_pb2, mesh_pb2_grpc, predictor_pb2 as pb, predictor_pb2_grpc
from tests.gated import GatedPredictor
from tests.runtime.coalescing.carrying import Told
from tests.runtime.coalescing.counted import PREDICT, call, request

CONTRACT = pb.DESCRIPTOR.services_by_name["PredictorService"]
STREAMS = {"grpc_service": "mlmesh.v1.MeshService", "grpc_method": "Carry"}
LARGEST = 2**20


@asynccontextmanager
async def serving(
    folder: Path, gated: GatedPredictor, registry: CollectorRegistry, limits: Limits | None = None
) -> AsyncIterator[Path]:
    """A server of the gated predictor; gives where it listens past gRPC."""
    service = Service(CONTRACT, gated, {"StreamPredict": "Predict"})
    async with running_server(
        "127.0.0.1:0",
        [service],
        ServerMetrics(registry, "tabular"),
        Health([]),
        limits=limits or Limits(),
        max_message_bytes=LARGEST,
        carry_folder=str(folder),
    ) as port:
        yield socket_path(str(folder), port)


@pytest.fixture
async def path(
    tmp_path: Path, gated: GatedPredictor, registry: CollectorRegistry
) -> AsyncIterator[Path]:
    async with serving(tmp_path, gated, registry) as path:
        yield path


@pytest.fixture
async def carry(path: Path) -> AsyncIterator[SocketCall]:
    """A connection whose server has said its first word."""
    opened = await open_socket_call(path)
    assert opened is not None
    first = await read(opened)
    assert first.max_message_bytes == LARGEST
    yield opened
    opened.cancel()


async def read(carry: SocketCall) -> mesh_pb2.CarryResponse:
    async with asyncio.timeout(20):
        return mesh_pb2.CarryResponse.FromString(await carry.read())


async def replies(carry: SocketCall, count: int) -> list[mesh_pb2.Reply]:
    found: list[mesh_pb2.Reply] = []
    while len(found) < count:
        found += (await read(carry)).replies
    return found


def message(*names: str, first: int = 1) -> bytes:
    calls = [
        mesh_pb2.Call(id=number, method=PREDICT.path, request=request(name), timeout_us=60_000_000)
        for number, name in enumerate(names, first)
    ]
    return mesh_pb2.CarryRequest(calls=calls).SerializeToString()


async def test_calls_are_answered_and_counted_as_carried_ones_are(
    carry: SocketCall, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    gated.gate.set()

    carry.write(message("one", "two", "broken"))

    answers = {reply.id: reply for reply in await replies(carry, 3)}
    labels = [pb.PredictResponse.FromString(answers[number].response).label for number in (1, 2)]
    assert labels == ["one", "two"]
    assert answers[3].status.code == grpc.StatusCode.INTERNAL.value[0]
    assert "42" not in answers[3].status.message
    assert registry.get_sample_value("grpc_server_msg_received_total", STREAMS) == 1


async def test_a_caller_without_more_calls_gets_its_answers_and_an_end(
    carry: SocketCall, gated: GatedPredictor
) -> None:
    carry.write(message("one"))
    await gated.has_begun()
    await carry.done_writing()
    gated.gate.set()

    assert [reply.id for reply in await replies(carry, 1)] == [1]
    assert await carry.read() is grpc.aio.EOF


async def test_a_caller_that_goes_gives_its_calls_up(
    carry: SocketCall, gated: GatedPredictor
) -> None:
    carry.write(message("one"))
    await gated.has_begun()

    carry.cancel()

    await asyncio.wait_for(gated.cancelled.wait(), 10)


async def test_a_call_that_is_given_up_reaches_the_service(
    carry: SocketCall, gated: GatedPredictor
) -> None:
    carry.write(message("one"))
    await gated.has_begun()

    carry.write(mesh_pb2.CarryRequest(cancelled=[1]).SerializeToString())

    await asyncio.wait_for(gated.cancelled.wait(), 10)


async def test_a_server_that_leaves_answers_what_it_read_and_ends_well(
    tmp_path: Path, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    serving_it = serving(tmp_path, gated, registry)
    carry = await open_socket_call(await serving_it.__aenter__())
    assert carry is not None
    await read(carry)
    carry.write(message("one"))
    await gated.has_begun()

    leaving = asyncio.create_task(serving_it.__aexit__(None, None, None))
    await asyncio.sleep(0.1)
    carry.write(message("late", first=2))
    await asyncio.sleep(0.1)
    gated.gate.set()

    assert [reply.id for reply in await replies(carry, 1)] == [1]
    assert await carry.read() is grpc.aio.EOF
    await leaving
    assert [one.request_id for one in gated.began[1:]] == []


async def test_carried_calls_drain_beside_others(
    tmp_path: Path, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    serving_it = serving(tmp_path, gated, registry)
    path = await serving_it.__aenter__()
    carry = await open_socket_call(path)
    assert carry is not None
    await read(carry)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{path.stem}") as channel:
        plain = predictor_pb2_grpc.PredictorServiceStub(channel).Predict(pb.PredictRequest())
        await gated.has_begun()

        leaving = asyncio.create_task(serving_it.__aexit__(None, None, None))

        assert await asyncio.wait_for(carry.read(), 5) is grpc.aio.EOF
        assert not leaving.done()
        gated.gate.set()
        await plain
        await leaving


async def test_a_caller_that_still_writes_reads_the_end(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(path))
        plain.setblocking(False)
        plain.send(PREFIX.pack(TRAILERS, 0))
        await asyncio.sleep(0.1)

        plain.send(PREFIX.pack(0, 1))

        received = plain.recv(2**16)
        _, hello = PREFIX.unpack_from(received)
        flags, size = PREFIX.unpack_from(received, PREFIX.size + hello)
        assert flags == TRAILERS
        assert code_of(received[-size:]) is grpc.StatusCode.INVALID_ARGUMENT


async def test_more_streams_than_the_server_allows_are_refused(
    tmp_path: Path, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    async with serving(tmp_path, gated, registry, Limits(streams=1)) as path:
        first, second = await open_socket_call(path), await open_socket_call(path)
        assert first is not None
        assert second is not None
        await read(first)

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await second.read()

        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        first.cancel()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        PREFIX.pack(0, LARGEST + 1),
        PREFIX.pack(1, 0),
        PREFIX.pack(TRAILERS, 0),
        PREFIX.pack(0, 3) + b"\xff\xff\xff",
        PREFIX.pack(0, 2 * 4097) + b"\x0a\x00" * 4097,
    ],
)
async def test_what_is_no_message_ends_the_connection_and_nobody_elses(
    path: Path, carry: SocketCall, gated: GatedPredictor, sent: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(str(path))
    _, size = PREFIX.unpack(await reader.readexactly(PREFIX.size))
    await reader.readexactly(size)

    writer.write(sent)

    async with asyncio.timeout(10):
        flags, size = PREFIX.unpack(await reader.readexactly(PREFIX.size))
        assert flags == TRAILERS
        assert code_of(await reader.readexactly(size)) is grpc.StatusCode.INVALID_ARGUMENT
        assert await reader.read() == b""
    writer.close()
    gated.gate.set()
    carry.write(message("one"))
    assert [reply.id for reply in await replies(carry, 1)] == [1]


async def test_a_caller_that_reads_nothing_is_not_read_from_for_ever(
    path: Path, gated: GatedPredictor
) -> None:
    """4,096 answers wait for it at most, and what the system's buffers hold."""
    gated.gate.set()
    with socket.socket(socket.AF_UNIX) as plain:
        plain.connect(str(path))
        plain.setblocking(False)
        content = message(*(["one"] * 64))
        unsent = (PREFIX.pack(0, len(content)) + content) * 4000
        refusals = 0
        while unsent and refusals < 100:
            try:
                unsent = unsent[plain.send(unsent[: 2**16]) :]
                refusals = 0
            except BlockingIOError:
                refusals += 1
                await asyncio.sleep(0.005)

    assert unsent


async def test_the_socket_is_for_this_user_alone_and_goes_with_the_server(
    tmp_path: Path, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    async with serving(tmp_path, gated, registry) as path:
        assert path.stat().st_mode & 0o777 == 0o600

    assert not path.exists()


async def test_a_folder_that_is_gone_is_made_again(
    tmp_path: Path, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    async with serving(tmp_path / "gone", gated, registry) as path:
        assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_folder_that_cannot_be_made_is_named(
    tmp_path: Path, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    with pytest.raises(OSError, match=r"MLMESH_CARRY_FOLDER.*none"):
        async with serving(tmp_path / "none" / "folder", gated, registry):
            pass


async def test_calls_go_past_grpc_where_the_server_listens(
    tmp_path: Path, gated: GatedPredictor, registry: CollectorRegistry
) -> None:
    """One server answers gRPC on a port, another one listens where its socket would be."""
    gated.gate.set()
    other, plain = GatedPredictor(), CollectorRegistry()
    other.gate.set()
    async with serving(tmp_path, gated, registry) as path:
        port = path.stem
        (tmp_path / "other").mkdir()
        async with serving(tmp_path / "other", other, plain) as elsewhere:
            elsewhere.rename(tmp_path / "other" / f"{port}.carry")
            options = Coalescing(folder=str(tmp_path / "other"))
            async with open_carrier(f"127.0.0.1:{port}", options) as carrier:
                await carrier.begin(PREDICT, request("one"), call())

    assert (len(gated.began), len(other.began)) == (0, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
async def test_a_socket_of_another_user_is_not_used(path: Path) -> None:
    os.chown(path, 65_534, -1)

    assert await open_socket_call(path) is None


@pytest.mark.parametrize("left", [None, "file", "socket"])
async def test_calls_go_by_grpc_where_nobody_listens(
    tmp_path: Path, gated: GatedPredictor, gated_port: int, left: str | None
) -> None:
    gated.gate.set()
    path = socket_path(str(tmp_path), gated_port)
    if left == "file":
        path.touch()
    elif left == "socket":
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(str(path))

    options = Coalescing(folder=str(tmp_path))
    async with open_carrier(f"127.0.0.1:{gated_port}", options) as carrier:
        answer = await carrier.begin(PREDICT, request("one"), call())

    assert pb.PredictResponse.FromString(answer.response).label == "one"


async def test_a_request_that_is_too_large_is_refused_alone(
    path: Path, tmp_path: Path, gated: GatedPredictor
) -> None:
    gated.gate.set()
    options = Coalescing(folder=str(tmp_path), large_bytes=2**30)
    async with open_carrier(f"127.0.0.1:{path.stem}", options) as carrier:
        large = carrier.begin(PREDICT, request("x" * LARGEST), call())
        small = carrier.begin(PREDICT, request("one"), call())

        with pytest.raises(ServingError):
            await large
        assert pb.PredictResponse.FromString((await small).response).label == "one"


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("127.0.0.1:50051", "50051.carry"),
        ("[::1]:50051", "50051.carry"),
        ("localhost:50051", "50051.carry"),
        ("10.0.0.1:50051", None),
        ("unix:/run/it.sock", None),
        ("localhost", None),
    ],
)
def test_only_this_machine_has_neighbours(tmp_path: Path, address: str, found: str | None) -> None:
    path = neighbour(str(tmp_path), address)

    assert (path and path.name) == found
    assert neighbour("", address) is None


async def test_answers_are_the_same_as_by_grpc(
    path: Path, carry: SocketCall, gated: GatedPredictor
) -> None:
    gated.gate.set()
    sent = mesh_pb2.CarryRequest.FromString(message("one", "broken", first=7))
    sent.calls.add(id=9, method="/mlmesh.v1.PredictorService/Nothing")
    sent.calls.add(id=10, method=PREDICT.path, request=b"\xff")
    for one in sent.calls:
        one.request_id = f"call-{one.id}"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{path.stem}") as channel:
        by_grpc = await mesh_pb2_grpc.MeshServiceStub(channel).CarryBatch(sent)

    carry.write(sent.SerializeToString())

    found = sorted(await replies(carry, 4), key=lambda reply: reply.id)
    assert found == sorted(by_grpc.replies, key=lambda reply: reply.id)


@pytest.mark.parametrize(
    ("early", "messages"), [(8, [8, 8, 4]), (12, [12, 8]), (20, [20]), (30, [20]), (0, [20])]
)
async def test_what_an_idle_server_gets_before_the_turn_ends(
    path: Path, tmp_path: Path, gated: GatedPredictor, early: int, messages: list[int]
) -> None:
    gated.gate.set()
    told = Told()
    options = Coalescing(folder=str(tmp_path), early_calls=early)
    async with open_carrier(f"127.0.0.1:{path.stem}", options, tally=told) as carrier:
        await carrier.begin(PREDICT, request("one"), call())
        told.messages.clear()

        await asyncio.gather(*(carrier.begin(PREDICT, request("one"), call()) for _ in range(20)))

    assert told.messages == messages
