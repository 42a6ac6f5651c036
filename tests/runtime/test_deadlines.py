from __future__ import annotations

import asyncio
import time

from hypothesis import given, settings, strategies as st

from mlmesh.runtime.deadlines import Deadlines


@settings(max_examples=20, deadline=None)
@given(
    members=st.lists(st.tuples(st.floats(0, 0.05), st.booleans()), max_size=40),
)
def test_each_member_that_stays_ends_once_and_not_before_its_deadline(
    members: list[tuple[float, bool]],
) -> None:
    async def run() -> None:
        ended: dict[int, float] = {}
        deadlines: Deadlines[int] = Deadlines(
            lambda member: ended.__setitem__(member, time.monotonic())
        )
        due = [time.monotonic() + seconds for seconds, _ in members]
        ticks = [deadlines.add(member, when) for member, when in enumerate(due)]
        stay = {member for member, (_, stays) in enumerate(members) if stays}
        for member, tick in enumerate(ticks):
            if member not in stay:
                deadlines.remove(member, tick)
        async with asyncio.timeout(5):
            while ended.keys() != stay:
                await asyncio.sleep(0.005)
        assert all(ended[member] >= due[member] for member in stay)

    asyncio.run(run())
