from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

from mlmesh.inference.batch_run import Answer
from mlmesh.inference.host import Host
from mlmesh.runtime.call import Call
from nlp.sentiment import SentimentModel
from nlp.text_model import LONGEST_PATIENCE
from nlp.texts import Text


async def patience_with(
    host: Host, monkeypatch: pytest.MonkeyPatch, texts: Sequence[str], call: Call
) -> list[float]:
    """Within how many seconds every window of some texts is wanted."""
    version = host.find("sentiment", "")
    run, found = version.run, []

    async def recording(*arguments: Any, deadline: float, priority: int) -> Answer:
        found.append(deadline - time.monotonic())
        return await run(*arguments, deadline=deadline, priority=priority)

    monkeypatch.setattr(version, "run", recording)
    await SentimentModel(version).analyze([Text("text", text) for text in texts], call)
    return found


async def test_a_short_text_is_as_urgent_as_its_call(
    text_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call("test").within(20)

    assert max(await patience_with(text_host, monkeypatch, ["good"] * 3, call)) <= 20


@pytest.mark.parametrize("texts", [["the Paris is " * 9000], ["good"] * 900])
async def test_many_windows_let_those_of_other_callers_go_first(
    text_host: Host, monkeypatch: pytest.MonkeyPatch, texts: Sequence[str]
) -> None:
    call = Call("test").within(20)

    found = await patience_with(text_host, monkeypatch, texts, call)

    assert len(found) >= 900
    assert min(found) > LONGEST_PATIENCE - 1


async def test_nobody_is_so_patient_that_others_always_go_first(
    text_host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    [found] = await patience_with(text_host, monkeypatch, ["good"], Call("test"))

    assert found <= LONGEST_PATIENCE
