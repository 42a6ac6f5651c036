from __future__ import annotations

import logging
import re
import time

import pytest
from hypothesis import given, strategies as st

from gateway.form import FormLimits, Part, boundary_of, parts_of
from mlmesh.runtime.errors import InvalidInput, ServingError, TooLarge

LIMITS = FormLimits(parts=4, header_bytes=300, text_bytes=100)
BOUNDARY = b"x"


def part(content: bytes, name: bytes = b"image", more: bytes = b"") -> bytes:
    """One part with its boundary before it."""
    head = b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + more
    return head + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--x--\r\n"


def named(parts: list[Part]) -> list[tuple[str, bytes]]:
    return [(one.name, bytes(one.content)) for one in parts]


def test_parts_come_in_order_and_are_views_of_the_body() -> None:
    body = form(part(b"\xff\xd8\r\n--y", b"image"), part(b"", b"top_k"), part(b"3", b"image"))

    parts = list(parts_of(body, BOUNDARY, LIMITS))

    assert named(parts) == [("image", b"\xff\xd8\r\n--y"), ("top_k", b""), ("image", b"3")]
    assert parts[0].content.obj is body


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n\r\n" + form(part(b"1", b"a")),
        form(part(b"1", b"a")) + b"an epilogue\r\n--x",
        b'--x\r\nCONTENT-disposition:form-data;name=a\r\n\r\n1\r\n--x--',
        form(part(b"1", b"a", b'; filename="..\\..\\/etc/passwd"')),
        form(part(b"1", b"a", b"; filename*=utf-8''%2e%2e%2f; name*=utf-8''b")),
        form(part(b"1", b"a", b'; filename="a\\"; name=\\"b"')),
        form(part(b"1", b"a", b'; filename="' + b"\xff" * 200 + b'"')),
    ],
)  # fmt: skip
def test_what_means_nothing_is_passed_over(body: bytes) -> None:
    assert named(list(parts_of(body, BOUNDARY, LIMITS))) == [("a", b"1")]


@given(contents=st.lists(st.binary() | st.sampled_from([b"\r\n", b"\r\n-", b"\r\n--", b"--x--"]),
                         max_size=4))  # fmt: skip
def test_any_bytes_come_through(contents: list[bytes]) -> None:
    body = form(*(part(content) for content in contents))

    # A caller has to choose a boundary that does not stand in what it sends.
    if b"\r\n--x" not in b"".join(b"\r\n" + one + b"\r\n" for one in contents):
        assert [one for _, one in named(list(parts_of(body, BOUNDARY, LIMITS)))] == contents


PIECES = st.sampled_from([b"--x", b"\r\n", b"--", b"x", b": ", b"a", b"Content-Disposition: ",
                          b"form-data", b"; name=", b'"'])  # fmt: skip


@given(st.binary() | st.lists(PIECES).map(b"".join))
def test_whatever_comes_is_parts_or_a_refusal(body: bytes) -> None:
    said = "body: "
    try:
        assert len(parts_of(body, BOUNDARY, LIMITS)) <= LIMITS.parts
    except ServingError as error:
        said = error.message

    assert said.startswith("body: ")


HEAD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n'
NO_FORM = "no multipart/form-data with the boundary of its Content-Type, see byte "
REFUSALS: list[tuple[bytes, type[ServingError], str]] = [
    (b"", InvalidInput, "the form is broken off"),
    (b"text", InvalidInput, NO_FORM),
    (b"--y\r\n\r\n", InvalidInput, NO_FORM),
    (part(b"1"), InvalidInput, "the form is broken off: its last boundary is missing"),
    (part(b"1") + b"--x", InvalidInput, "neither a part nor the end follows the boundary at "),
    (part(b"1") + b"--x-", InvalidInput, "neither a part nor the end follows the boundary at "),
    (part(b"1\r\n--x ") + b"--x--", InvalidInput, "neither a part nor the end"),
    (part(b"1\r\n--xy") + b"--x--", InvalidInput, "neither a part nor the end"),
    (form(part(b"") * 5), TooLarge, "more than 4 parts, the most that are taken"),
    (form(part(b"", b"a" * 300)), TooLarge, "a part has a header of more than 300 bytes"),
    (form(HEAD + b"a" * 400 + b": 1\r\n\r\n\r\n"), TooLarge, "a part has a header of more than"),
    (form(HEAD + b"".join(b"h%d: 1\r\n" % n for n in range(8)) + b"\r\n\r\n"), TooLarge,
     "a part has more than 8 headers"),
    (form(HEAD + b"Content-Type: a/b\r\ncontent-type: c/d\r\n\r\n\r\n"), InvalidInput,
     "part 1 has two headers content-type"),
    (form(HEAD + b"no colon\r\n\r\n\r\n"), InvalidInput, NO_FORM),
    (form(HEAD + b"a: b\rc\r\n\r\n\r\n"), InvalidInput, NO_FORM),
    (b"--x\r\n\r\n1\r\n--x--", InvalidInput, "part 1 needs Content-Disposition: form-data; name"),
    (form(part(b"", b"")), InvalidInput, "part 1 needs Content-Disposition"),
    (form(part(b"1"), part(b"", b"n" * 257)), InvalidInput, "part 2 needs Content-Disposition"),
    (form(part(b"1")).replace(b"form-data", b"attachment"), InvalidInput, "part 1 needs "),
    (form(part(b"", b"\xff")), InvalidInput, "the name of part 1 is no UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind", "message"), REFUSALS)
def test_a_form_that_is_wrong_is_refused_by_what_is_wrong(
    body: bytes, kind: type[ServingError], message: str
) -> None:
    with pytest.raises(kind, match=f"^{re.escape(f'body: {message}')}"):
        parts_of(body, BOUNDARY, LIMITS)


@pytest.mark.parametrize(
    "body",
    [
        part(b"") * 100_000,
        b"\r\n--x" * 3_000_000,
        part(b"") + b"\r\n--xy" * 2_500_000,
        part(b"") + b"--x" + b" " * 16_000_000,
        HEAD + b"a:" + b" " * 16_000_000,
        HEAD + b"a" * 16_000_000,
        HEAD + b"a:1\r\n" * 3_000_000,
        b"\r\n" * 8_000_000,
        b"-" * 16_000_000,
    ],
    ids=["parts", "boundaries", "near boundaries", "padding", "spaces", "name", "headers",
         "empty lines", "dashes"],
)  # fmt: skip
def test_a_hostile_form_is_refused_before_it_costs_anything(body: bytes) -> None:
    started = time.process_time()

    with pytest.raises(ServingError):
        parts_of(body, BOUNDARY, FormLimits())

    # To take 16 MB byte by byte in Python would need seconds.
    assert time.process_time() - started < 0.3


def test_a_broken_form_is_not_worth_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(InvalidInput):
        parts_of(b"text", BOUNDARY, LIMITS)

    assert caplog.records == []


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data; charset=utf-8; Boundary="a b;c"', b"a b;c"),
        ("multipart/form-data; boundary=" + "a" * 70, b"a" * 70),
    ],
)
def test_the_boundary_stands_in_the_header(header: str, boundary: bytes) -> None:
    assert boundary_of(header) == boundary


@pytest.mark.parametrize(
    "parameters", ["", "; boundary", "; boundary=", '; boundary=""', "; boundary=" + "a" * 71]
)
def test_a_form_without_a_usable_boundary_is_refused(parameters: str) -> None:
    with pytest.raises(InvalidInput, match=r"Content-Type: .* needs a boundary of 1 to 70"):
        boundary_of(f"multipart/form-data{parameters}")
