"""Forms and raw bodies through a real gateway, to a service that says what arrived."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.album import REFUSED, album_by_http, digest_of

PHOTO = bytes(range(256)) * 300
JPEG = {"content-type": "image/jpeg"}
MULTIPART = {"content-type": "multipart/form-data; boundary=x"}

Files = list[tuple[str, tuple[str | None, bytes] | tuple[str | None, bytes, str]]]


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with album_by_http(tmp_path) as client:
        yield client


def seen(response: httpx.Response) -> dict[str, Any]:
    """What the service was sent, without what has its zero value."""
    answer = response.json()
    assert response.status_code == 200, answer
    rest = {name: value for name, value in (answer["rest"] or {}).items() if value}
    rest.pop("size", None) if rest.get("size") == "SIZE_UNSPECIFIED" else None
    return {"digests": answer["digests"], **rest}


@pytest.mark.parametrize("path", ["/look", "/bare"])
async def test_a_picture_comes_through_every_way_alike(http: httpx.AsyncClient, path: str) -> None:
    encoded = base64.b64encode(PHOTO).decode()
    query = {"top_k": "3", "media_type": "image/jpeg"}
    whole = {"image": encoded, "top_k": 3, "media_type": "image/jpeg"}

    by_json = (
        await http.post(path, json=whole)
        if path == "/look"
        else await http.post(path, json=encoded, params=query)
    )
    raw = await http.post(path, content=PHOTO, headers=JPEG, params={"top_k": "3"})
    form = await http.post(
        path, files={"image": ("a.jpg", PHOTO, "image/jpeg")}, data={"top_k": "3"}
    )

    wanted = {"digests": [digest_of(PHOTO)], "top_k": 3, "media_type": "image/jpeg"}
    assert seen(by_json) == seen(raw) == seen(form) == wanted


async def test_other_parts_are_read_as_a_query_is(http: httpx.AsyncClient) -> None:
    response = await http.put(
        "/albums/summer%2F26/look?flag=true",
        files=[
            ("topK", (None, b"-3")),
            ("tags", (None, b"a")),
            ("image", ("a", PHOTO)),
            ("tags", ("b.txt", "\u00fc".encode(), "text/plain; charset=UTF-8")),
            ("size", (None, b"SIZE_LARGE", "text/plain")),
            ("crop.left", (None, b"0.5")),
        ],
    )

    assert seen(response) == {
        "digests": [digest_of(PHOTO)],
        "album": "summer/26",
        "flag": True,
        "top_k": -3,
        "tags": ["a", "\u00fc"],
        "size": "SIZE_LARGE",
        "crop": {"left": 0.5},
    }


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("image/png", "image/png"),
        ("Image/PNG; name=a.png", "image/png"),
        ("application/pdf", "application/pdf"),
        ("application/octet-stream", ""),
        ("image/*", ""),
    ],
)
async def test_the_declared_media_type_is_passed_on(
    http: httpx.AsyncClient, kind: str, said: str
) -> None:
    raw = await http.post("/look", content=b"x", headers={"content-type": kind})
    form = await http.post("/look", files={"image": ("a", b"x", kind)})

    assert seen(raw).get("media_type", "") == seen(form).get("media_type", "") == said


async def test_a_part_that_declares_nothing_is_taken(http: httpx.AsyncClient) -> None:
    body = b'--x\r\ncontent-disposition: form-data; name="image"\r\n\r\n\xff\r\n--x--'

    response = await http.post("/look", content=body, headers=MULTIPART)

    assert seen(response) == {"digests": [digest_of(b"\xff")]}


async def test_what_the_caller_says_itself_counts(http: httpx.AsyncClient) -> None:
    files = {"image": ("a.jpg", PHOTO, "image/jpeg")}

    form = await http.post("/look", files=files, data={"media_type": "image/webp"})
    raw = await http.post("/look?mediaType=image/webp", content=PHOTO, headers=JPEG)

    assert seen(form)["media_type"] == seen(raw)["media_type"] == "image/webp"


async def test_an_empty_picture_is_left_to_the_service(http: httpx.AsyncClient) -> None:
    raw = await http.post("/look", content=b"", headers=JPEG)
    form = await http.post("/look", files={"image": ("a.jpg", b"", "image/jpeg")})
    none = await http.post("/look", files={"top_k": (None, b"1")})

    assert seen(raw)["digests"] == seen(form)["digests"] == seen(none)["digests"]


@pytest.mark.parametrize(
    ("kinds", "said"), [(["image/png"] * 2, "image/png"), (["image/png", "image/jpeg"], "")]
)
async def test_many_pictures_are_as_many_parts(
    http: httpx.AsyncClient, kinds: list[str], said: str
) -> None:
    files: Files = [("images", (None, bytes([n]), kind)) for n, kind in enumerate(kinds)]

    answer = seen(await http.post("/look/all", files=files))

    assert answer["digests"] == [digest_of(b"\0"), digest_of(b"\1")]
    assert answer.get("media_type", "") == said


async def test_a_body_in_pieces_is_the_same(http: httpx.AsyncClient) -> None:
    async def pieces() -> Any:
        for start in range(0, len(PHOTO), 7001):
            yield PHOTO[start : start + 7001]

    response = await http.post("/look", content=pieces(), headers=JPEG)

    assert seen(response)["digests"] == [digest_of(PHOTO)]


IMAGE = ("image", ("a.png", b"x", "image/png"))
REFUSALS: list[tuple[Files, int, str]] = [
    ([IMAGE, IMAGE], 400, "image: send it once"),
    ([IMAGE, ("top_k", (None, b"1")), ("top_k", (None, b"1"))], 400, "top_k: send it once"),
    ([IMAGE, ("file", ("a.png", b"x" * 70_000))], 400, "file: no such part; the file is sent "),
    ([IMAGE, ("top_k", (None, b"many"))], 400, "top_k: expected"),
    ([IMAGE, ("top_k", (None, b"\xff"))], 400, "top_k: is no UTF-8, see byte 0"),
    ([IMAGE, ("flag", (None, b"maybe"))], 400, "flag: expected true or false"),
    ([IMAGE, ("crop", (None, b"{}"))], 400, "crop: a query cannot hold this type"),
    ([IMAGE, ("image.a", (None, b"1"))], 400, "image.a: no such part"),
    ([IMAGE, ("top_k", (None, b"1", "application/json"))], 415, "top_k: send it as text/plain"),
    ([IMAGE, ("tags", (None, b"1", "text/plain; charset=utf-16"))], 415, "tags: send it as text"),
    ([IMAGE, ("album", (None, b"1" * 65_537))], 413, "album: larger than 65536 bytes"),
    ([("image", ("a", b"x", "multipart/mixed; boundary=y"))], 415, "image: send image/* or appl"),
    ([("image", ("a", b"x", "text/plain"))], 415, "image: send image/* or application/pdf or"),
    ([("image", ("a", b"x", "image/png, image/gif"))], 415, "image: send image/*"),
    ([("image", ("a", REFUSED, "image/tiff"))], 415, "image: send JPEG or PNG"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "status", "message"), REFUSALS)
async def test_a_part_that_is_wrong_is_named(
    http: httpx.AsyncClient, files: Files, status: int, message: str
) -> None:
    response = await http.post("/look", files=files)

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, status)
    assert error["message"].startswith(message)
    assert error["details"]


@pytest.mark.parametrize("encoding", ["base64", "Quoted-Printable", "gzip"])
async def test_encoded_parts_are_refused(http: httpx.AsyncClient, encoding: str) -> None:
    head = 'Content-Disposition: form-data; name="image"\r\nContent-Transfer-Encoding: '

    refused = await http.post("/look", content=f"--x\r\n{head}{encoding}\r\n\r\neA==\r\n--x--",
                              headers=MULTIPART)  # fmt: skip
    taken = await http.post("/look", content=f"--x\r\n{head}BINARY\r\n\r\neA==\r\n--x--",
                            headers=MULTIPART)  # fmt: skip

    assert refused.status_code == 415
    assert refused.json()["error"]["message"] == (
        "image: send the bytes as they are, without Content-Transfer-Encoding"
    )
    assert seen(taken)["digests"] == [digest_of(b"eA==")]


@pytest.mark.parametrize("query", ["album=b", "image=eA==", "nope=1", "crop=1"])
async def test_a_query_beside_a_picture_is_checked(http: httpx.AsyncClient, query: str) -> None:
    response = await http.put(f"/albums/a/look?{query}", content=b"x", headers=JPEG)

    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith(query.partition("=")[0])


MESSAGE = "application/x-protobuf"
TAKEN = (
    "application/json, multipart/form-data, image/*, application/pdf, application/octet-stream, "
    + MESSAGE
)
UNSUPPORTED = [
    ("/look", "application/x-www-form-urlencoded", TAKEN),
    ("/look", "text/plain", TAKEN),
    ("/look", "application/json; charset=latin-1", TAKEN),
    ("/look", "image/", TAKEN),
    ("/look", "image/png, image/gif", TAKEN),
    ("/look", "multipart/mixed; boundary=x", TAKEN),
    ("/look", "application/x-ndjson", TAKEN),
    ("/look/all", "image/png", f"application/json, multipart/form-data, {MESSAGE}"),
    ("/read", "image/png", f"application/json, {MESSAGE}"),
    ("/read", "multipart/form-data; boundary=x", f"application/json, {MESSAGE}"),
    ("/texts", "image/png", f"application/json, {MESSAGE}"),
    ("/watch", "image/png", "application/x-ndjson, application/json"),
]


@pytest.mark.parametrize(("path", "kind", "taken"), UNSUPPORTED)
async def test_other_bodies_are_refused_with_what_is_taken(
    http: httpx.AsyncClient, path: str, kind: str, taken: str
) -> None:
    response = await http.post(path, content=b"x", headers={"content-type": kind})

    assert response.status_code == 415
    assert response.headers["accept-post"] == taken
    first, *others = taken.split(", ")
    wanted = " or ".join([f"{first} in UTF-8", *others])
    assert response.json()["error"]["message"] == f"Content-Type: send {wanted}"


async def test_a_refusal_says_what_is_taken_for_other_verbs(http: httpx.AsyncClient) -> None:
    kind = await http.put("/albums/a/look", content=b"x", headers={"content-type": "text/plain"})
    packed = await http.post("/look", content=b"x", headers=JPEG | {"content-encoding": "br"})

    assert (kind.status_code, kind.headers["accept"]) == (415, TAKEN)
    assert (packed.status_code, packed.headers["accept-encoding"]) == (415, "gzip, deflate")


async def test_a_connection_goes_on_after_a_large_body_that_was_not_taken(tmp_path: Path) -> None:
    async with album_by_http(tmp_path) as http:
        large = bytes(8 * 2**20)
        for _ in range(2):
            refused = await http.post("/look", content=large, headers={"content-type": "a/b"})
            taken = await http.post("/look", content=b"x", headers=JPEG)

            assert refused.status_code == 415
            assert seen(taken)["digests"] == [digest_of(b"x")]


async def test_the_limits_are_settings(tmp_path: Path) -> None:
    limits = {
        "max_body_bytes": 2000,
        "max_form_parts": 2,
        "max_part_header_bytes": 256,
        "max_part_text_bytes": 10,
    }
    async with album_by_http(tmp_path, **limits) as http:
        tag = ("tags", (None, b"1"))
        asked = {
            "body: larger than 2000 bytes": http.post("/look", content=PHOTO, headers=JPEG),
            "body: more than 2 parts": http.post("/look", files=[IMAGE, tag, tag]),
            "body: a part has a header of more than 256": http.post(
                "/look", files=[("image", ("n" * 300, b"x", "image/png"))]
            ),
            "tags: larger than 10 bytes": http.post("/look", files=[("tags", (None, b"1" * 11))]),
        }
        for message, request in asked.items():
            refused = await request
            assert refused.status_code == 413
            assert refused.json()["error"]["message"].startswith(message)

        fitting = await http.post("/look", files=[IMAGE, ("tags", (None, b"1" * 10))])
    assert seen(fitting)["tags"] == ["1" * 10]


async def test_an_image_of_16_mib_is_taken_in_every_form(http: httpx.AsyncClient) -> None:
    largest = bytes(16 * 2**20)

    answers = [
        await http.post("/look", content=largest, headers=JPEG),
        await http.post("/look", files={"image": ("a.jpg", largest, "image/jpeg")}),
        await http.post("/look", json={"image": base64.b64encode(largest).decode()}),
    ]

    assert [seen(answer)["digests"] for answer in answers] == [[digest_of(largest)]] * 3


async def test_a_body_beyond_the_largest_is_refused_with_the_remedy(
    http: httpx.AsyncClient,
) -> None:
    refused = await http.post("/look", content=bytes(24 * 2**20 + 1), headers=JPEG)

    assert refused.status_code == 413
    assert refused.json()["error"]["message"] == (
        "body: larger than 25165824 bytes, the most that is taken; send less at once, "
        "or have MLMESH_MAX_BODY_BYTES raised"
    )
