from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import grpc

from mlmesh.runtime.call import Call
from mlmesh.runtime.errors import InvalidInput, reason_of
from mlmesh.runtime.instruments import Value
from mlmesh.v1 import vision_pb2 as pb
from vision.frames import AT_ONCE, LIVE_AT_ONCE, MOST_ANSWERS, MOST_FRAMES, FrameStream

CALL = Call("test")


class Gate:
    """Answers what has been let through, with the number of the frame as the model's name."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.most_at_once = 0
        self._under_way = 0
        self._open: dict[str, asyncio.Event] = {}

    def let(self, *names: str) -> None:
        for name in names:
            self._event(name).set()

    async def __call__(self, request: Any, call: Call) -> pb.ClassifyResponse:
        name = request.model
        self.begun.append(name)
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            await self._event(name).wait()
        finally:
            self._under_way -= 1
        if name.startswith("wrong"):
            raise InvalidInput("image", "is wrong")
        return pb.ClassifyResponse(model=name)

    def _event(self, name: str) -> asyncio.Event:
        return self._open.setdefault(name, asyncio.Event())


class Sender:
    """Frames that come when they are sent; counts how many were taken."""

    def __init__(self) -> None:
        self.taken = 0
        self._queue: asyncio.Queue[pb.StreamClassifyRequest | None] = asyncio.Queue()

    def send(self, *names: str, live: bool = False, size: int = 0) -> None:
        for name in names:
            request = pb.ClassifyRequest(model=name, image=bytes(size))
            self._queue.put_nowait(
                pb.StreamClassifyRequest(id=name, request=request, drop_stale=live)
            )

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[pb.StreamClassifyRequest]:
        while (frame := await self._queue.get()) is not None:
            self.taken += 1
            yield frame


async def settled() -> None:
    """Wait until everybody who can go on has gone on."""
    for _ in range(1000):
        await asyncio.sleep(0)


def answers_of(gate: Gate, sender: Sender, dropped: Value | None = None) -> AsyncIterator[Any]:
    return FrameStream(pb.StreamClassifyResponse, gate, dropped or Value())(aiter(sender), CALL)


async def test_answers_come_in_the_order_of_the_frames() -> None:
    gate, sender = Gate(), Sender()
    sender.send("1", "2", "3")
    sender.end()
    answers = asyncio.create_task(collected(answers_of(gate, sender)))
    await settled()

    gate.let("3")
    await settled()
    gate.let("2", "1")

    assert [one.id for one in await answers] == ["1", "2", "3"]


async def first_of(answers: AsyncIterator[Any]) -> Any:
    return await anext(answers)


async def collected(answers: AsyncIterator[Any]) -> list[Any]:
    return [answer async for answer in answers]


async def test_a_wrong_frame_ends_nothing_but_itself() -> None:
    gate, sender = Gate(), Sender()
    names = ["1", "wrong", "3"]
    gate.let(*names)
    sender.send(*names)
    sender.end()

    found = await collected(answers_of(gate, sender))

    assert [(one.id, one.status.code, one.response.model) for one in found] == [
        ("1", 0, "1"), ("wrong", 3, ""), ("3", 0, "3"),
    ]  # fmt: skip


async def test_a_stream_without_frames_ends() -> None:
    sender = Sender()
    sender.end()

    assert await collected(answers_of(Gate(), sender)) == []


async def test_frames_are_worked_on_side_by_side_but_not_without_bound() -> None:
    gate, sender = Gate(), Sender()
    names = [str(n) for n in range(20)]
    sender.send(*names)
    sender.end()
    answers = asyncio.create_task(collected(answers_of(gate, sender)))
    await settled()
    at_once = list(gate.begun)
    gate.let(*names)
    await answers

    assert at_once == names[:AT_ONCE]
    assert gate.most_at_once == AT_ONCE


async def test_only_the_newest_of_the_live_frames_that_wait_is_looked_at() -> None:
    gate, sender = Gate(), Sender()
    names = [str(n) for n in range(10)]
    for name in names:
        sender.send(name, live=True)
    counted = Value()
    answers = asyncio.create_task(collected(answers_of(gate, sender, counted)))
    await settled()
    gate.let(*names)
    await settled()
    sender.end()

    found = await answers
    dropped = [one for one in found if one.status.code]
    assert [one.id for one in found] == names
    assert gate.begun == ["0", "1", "9"]
    assert [one.id for one in dropped] == names[LIVE_AT_ONCE:-1]
    assert {one.status.code for one in dropped} == {grpc.StatusCode.ABORTED.value[0]}
    assert {reason_of(one.status) for one in dropped} == {"FRAME_DROPPED"}
    assert counted.value == len(dropped)


async def test_a_live_frame_is_stale_once_any_newer_one_has_come() -> None:
    gate, sender = Gate(), Sender()
    sender.send("0", "1", "2", live=True)
    sender.send("3")
    sender.end()
    answers = asyncio.create_task(collected(answers_of(gate, sender)))
    await settled()
    gate.let("0", "1", "2", "3")

    assert [(one.id, one.status.code) for one in await answers] == [
        ("0", 0), ("1", 0), ("2", 10), ("3", 0),
    ]  # fmt: skip


async def test_live_frames_that_come_slowly_are_all_looked_at() -> None:
    gate, sender = Gate(), Sender()
    names = [str(n) for n in range(5)]
    gate.let(*names)
    answers = asyncio.create_task(collected(answers_of(gate, sender)))
    for name in names:
        sender.send(name, live=True)
        await settled()
    sender.end()

    assert [one.status.code for one in await answers] == [0] * 5


async def test_a_frame_that_must_be_answered_is_not_dropped_for_a_live_one() -> None:
    gate, sender = Gate(), Sender()
    kept = [f"kept{n}" for n in range(AT_ONCE + 2)]
    sender.send(*kept)
    sender.send("live1", "live2", live=True)
    sender.end()
    answers = asyncio.create_task(collected(answers_of(gate, sender)))
    await settled()
    gate.let(*kept, "live1", "live2")

    found = {one.id: one.status.code for one in await answers}
    assert found == {**dict.fromkeys(kept, 0), "live1": 10, "live2": 0}


async def test_a_caller_who_takes_no_answers_is_not_read_from() -> None:
    gate, sender = Gate(), Sender()
    names = [str(n) for n in range(3 * MOST_FRAMES)]
    gate.let(*names)
    sender.send(*names)
    sender.end()
    answers = answers_of(gate, sender)

    first = await anext(answers)
    await settled()
    taken = sender.taken
    rest = await collected(answers)

    assert first.id == "0"
    # One stands at the door.
    assert taken == MOST_FRAMES + 1
    assert [one.id for one in rest] == names[1:]


async def test_a_caller_who_takes_no_answers_for_dropped_frames_is_not_read_from_either() -> None:
    gate, sender = Gate(), Sender()
    for n in range(3 * MOST_ANSWERS):
        sender.send(str(n), live=True)
    answers = answers_of(gate, sender)
    reading = asyncio.create_task(first_of(answers))
    await settled()

    assert sender.taken == MOST_ANSWERS + 1
    gate.let(*(str(n) for n in range(3 * MOST_ANSWERS)))
    await reading
    await answers.aclose()  # type: ignore[attr-defined]


async def test_large_frames_are_read_no_further_than_there_is_room() -> None:
    gate, sender = Gate(), Sender()
    names = [str(n) for n in range(12)]
    sender.send(*names, size=3 * 2**20)
    sender.end()
    answers = asyncio.create_task(collected(answers_of(gate, sender)))
    await settled()
    taken = sender.taken
    gate.let(*names)

    assert taken == 6
    assert len(await answers) == 12


async def test_work_ends_when_the_caller_goes() -> None:
    gate, sender = Gate(), Sender()
    sender.send("1", "2", "3")
    answers = answers_of(gate, sender)
    reading = asyncio.create_task(first_of(answers))
    await settled()
    before = len(asyncio.all_tasks())
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await answers.aclose()  # type: ignore[attr-defined]
    await settled()

    assert before == 6
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_caller_may_go_just_when_an_answer_comes() -> None:
    gate, sender = Gate(), Sender()
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, failure: failures.append(failure))
    sender.send("1", "2", "3")
    answers = answers_of(gate, sender)
    reading = asyncio.create_task(first_of(answers))
    await settled()

    gate.let("1")
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    del answers, reading
    await settled()
    gc.collect()

    assert failures == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
