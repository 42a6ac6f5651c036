from __future__ import annotations

import asyncio
from collections import deque
from unittest.mock import create_autospec

import pytest

from mlmesh.runtime.coalescing.options import Coalescing
from mlmesh.runtime.coalescing.stream import CarryStream, Source
from tests.runtime.coalescing.carrying import replies


class Call:
    """Its server says one word, when it is told to, and no more."""

    def __init__(self) -> None:
        self.word: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._reads = 0

    async def read(self) -> bytes:
        self._reads += 1
        if self._reads == 1:
            return await self.word
        never: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        return await never


@pytest.mark.parametrize("turns", range(6))
async def test_whoever_leaves_as_the_server_says_its_first_word_is_gone(turns: int) -> None:
    call = Call()
    stream = CarryStream(call, deque(), Coalescing(), create_autospec(Source))
    conversing = asyncio.create_task(stream.converse())
    await asyncio.sleep(0)

    call.word.set_result(replies())
    for _ in range(turns):
        await asyncio.sleep(0)
    conversing.cancel()

    await asyncio.wait({conversing}, timeout=5)
    assert conversing.cancelled()
