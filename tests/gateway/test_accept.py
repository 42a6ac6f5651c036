from __future__ import annotations

import pytest

from gateway.accept import preferred, weights_of

OFFERED = ("application/json", "application/x-protobuf", "text/event-stream")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("application/x-protobuf", "application/x-protobuf"),
        ("Application/X-Protobuf; charset=x", "application/x-protobuf"),
        ("*/*", "application/json"),
        ("text/*", "text/event-stream"),
        ("application/json;q=0.5, application/x-protobuf", "application/x-protobuf"),
        ("application/*;q=0.5, application/json;q=0", "application/x-protobuf"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/html", None),
        ("application/json;q=2", None),
        ("", None),
        (",;,=;q", None),
    ],
)
def test_the_best_liked_of_what_is_offered_is_chosen(accept: str, chosen: str | None) -> None:
    assert preferred(accept, OFFERED) == chosen


def test_weights_are_read_by_name() -> None:
    assert weights_of("gzip;q=0.5, *;level=1;q=0") == {"gzip": 0.5, "*": 0.0}
