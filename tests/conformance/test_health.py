from __future__ import annotations

from tests.conformance.client import LEAVES_BODIES, Client

pytestmark = LEAVES_BODIES


def test_the_server_is_live_and_ready(client: Client) -> None:
    assert client.is_server_live() is True
    assert client.is_server_ready() is True


def test_a_model_is_ready_as_a_whole_and_by_version(client: Client) -> None:
    assert client.is_model_ready("classifier") is True
    assert client.is_model_ready("classifier", "1") is True


def test_what_is_not_there_is_not_ready(client: Client) -> None:
    assert client.is_model_ready("nobody") is False
    assert client.is_model_ready("classifier", "9") is False
