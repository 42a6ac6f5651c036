"""Requests as bytes, plain and odd, under names that say what is special about them."""

from __future__ import annotations

BODY = b'{"features":[1,2]}'
JSON = b"content-type: application/json"
ID = b"x-request-id: caller-7"
LAST = b"GET /alive HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
"""Behind a request, it shows whether the connection was kept."""


def request(
    target: bytes = b"/predict",
    *headers: bytes,
    verb: bytes = b"POST",
    body: bytes | None = BODY,
    version: bytes = b"1.1",
) -> bytes:
    length = () if body is None else (b"content-length: %d" % len(body),)
    lines = [b"%b %b HTTP/%b" % (verb, target, version), b"host: x", *headers, *length]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def get(target: bytes, *headers: bytes) -> bytes:
    return request(target, *headers, verb=b"GET", body=None)


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    head = request(b"/predict", JSON, b"transfer-encoding: chunked", body=None)
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + pieces + b"0\r\n" + trailer + b"\r\n"


def of_text(text: bytes) -> bytes:
    return request(b"/predict", JSON, body=text)


SIGNED = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
GZIP = b"accept-encoding: gzip, deflate"
BROWSER = b"accept: text/html,application/xhtml+xml,*/*;q=0.8"

REQUESTS: dict[str, bytes] = {
    "plain": request(b"/predict", JSON, ID),
    "without a content type": request(b"/predict", ID),
    "with a charset": request(b"/predict", JSON + b"; charset=utf-8", ID),
    "with a charset in capitals": request(b"/predict", JSON + b";charset=UTF-8", ID),
    "with another charset": request(b"/predict", JSON + b"; charset=latin-1"),
    "of another media type": request(b"/predict", b"content-type: text/plain"),
    "a form": request(b"/predict", b"content-type: multipart/form-data; boundary=b"),
    "compressed": request(b"/predict", JSON, b"content-encoding: gzip"),
    "not compressed, and says so": request(b"/predict", JSON, b"content-encoding: identity"),
    "header names in capitals": request(b"/predict", JSON.upper(), ID.upper()),
    "a variable in the path": request(b"/v1/models/tiny:predict", JSON),
    "two variables": request(b"/v1/models/tiny/versions/v1.0:predict", JSON),
    "percent-encoded": request(b"/v1/models/ti%6Ey:predict", JSON),
    "an encoded slash": request(b"/v1/models/tiny%2Fx:predict", JSON),
    "broken percent-encoding": request(b"/v1/models/ti%zz:predict", JSON),
    "an encoded control character": request(b"/v1/models/ti%00:predict", JSON),
    "path and body disagree": request(b"/v1/models/sum:predict", body=b'{"model":"tiny"}'),
    "a model that is not there": request(b"/v1/models/nobody:predict", JSON),
    "an empty variable": request(b"/v1/models/:predict", JSON),
    "a query beside a body": request(b"/predict?model=tiny", JSON),
    "an empty query": request(b"/predict?", JSON),
    "a fragment": request(b"/predict#part", JSON),
    "a double slash": request(b"//predict", JSON),
    "a slash at the end": request(b"/predict/", JSON),
    "the address in full": request(b"http://x/predict", JSON),
    "a path beyond ASCII": request(b"/v1/models/\xc3\xa4:predict", JSON),
    "nowhere": request(b"/nowhere", JSON),
    "the wrong verb": get(b"/predict"),
    "an odd verb": request(b"/predict", verb=b"PROPFIND"),
    "a verb of nobody's": request(b"/predict", verb=b"BREW"),
    "options": request(b"/predict", verb=b"OPTIONS", body=None),
    "head": request(b"/v1/models", verb=b"HEAD", body=None),
    "get": get(b"/v1/models"),
    "get, packed": get(b"/v1/models", GZIP),
    "get, as a message": get(b"/v1/models", b"accept: application/x-protobuf"),
    "an empty message": request(b"/predict", b"content-type: application/x-protobuf", body=b""),
    "get with a query": get(b"/v1/models?nothing=1"),
    "get with a broken query": get(b"/v1/models?%zz=1"),
    "get one": get(b"/v1/models/kinds"),
    "get with a body": request(b"/v1/models", JSON, verb=b"GET"),
    "a page": get(b"/alive"),
    "a page by post": request(b"/alive", JSON),
    "the open inference protocol": get(b"/v2/models/tiny"),
    "a stream": request(b"/v1/models:streamPredict", JSON, body=b'{"id":"1"}'),
    "no JSON": of_text(b'{"features":[1,2'),
    "not UTF-8": of_text(b'{"model":"\xff"}'),
    "a list": of_text(b"[1,2]"),
    "null": of_text(b"null"),
    "the wrong type": of_text(b'{"features":["one"]}'),
    "a field that is not there": of_text(b'{"feature":[1,2]}'),
    "a field twice": of_text(b'{"modelVersion":"1","model_version":"1"}'),
    "too few features": of_text(b'{"features":[1]}'),
    "against a rule": of_text(b'{"features":[1,2],"model":"' + b"x" * 2000 + b'"}'),
    "too deep": of_text(b'{"features":' + b"[" * 200 + b"]" * 200 + b"}"),
    "an empty object": of_text(b"{}"),
    "an empty body": of_text(b""),
    "no body at all": request(b"/predict", JSON, body=None),
    "large": of_text(BODY + b" " * 4000),
    "too large": of_text(BODY + b" " * 5000),
    "an id that is not taken": request(b"/predict", b"x-request-id: a b"),
    "an id that is too long": request(b"/predict", b"x-request-id: " + b"x" * 129),
    "an id beyond ASCII": request(b"/predict", b"x-request-id: \xe4"),
    "two ids": request(b"/predict", b"x-request-id: one", b"x-request-id: two"),
    "a trace": request(b"/predict", SIGNED),
    "a broken trace": request(b"/predict", b"traceparent: nonsense"),
    "a timeout": request(b"/predict", b"x-request-timeout: 5", ID),
    "a timeout as gRPC has it": request(b"/predict", b"grpc-timeout: 5S", ID),
    "a broken timeout": request(b"/predict", b"x-request-timeout: soon"),
    "a broken timeout as gRPC has it": request(b"/predict", b"grpc-timeout: 5 s"),
    "a timeout that has passed": request(b"/predict", b"x-request-timeout: 0.0000001"),
    "accepts JSON": request(b"/predict", b"accept: application/json", ID),
    "accepts anything": request(b"/predict", b"accept: */*", ID),
    "from a browser": request(b"/predict", BROWSER, GZIP, ID),
    "accepts compression": request(b"/predict", GZIP, ID),
    "the last": request(b"/predict", ID, b"connection: close"),
    "says that it stays": request(b"/predict", ID, b"connection: keep-alive"),
    "of HTTP/1.0": request(b"/predict", ID, version=b"1.0"),
    "of HTTP/1.0 and stays": request(b"/predict", b"connection: keep-alive", version=b"1.0"),
    "of HTTP/2.0": request(b"/predict", ID, version=b"2.0"),
    "in chunks": chunked(BODY[:5], BODY[5:]),
    "in chunks with a trailer": chunked(BODY, trailer=b"x-after: 1\r\n"),
    "in chunks that are too large": chunked(*[b" " * 1000] * 5),
    "in chunks and with a length": request(b"/predict", b"transfer-encoding: chunked"),
    "two lengths": request(b"/predict", b"content-length: 5"),
    "a negative length": request(b"/predict", b"content-length: -1", body=None),
    "a huge length": request(b"/predict", b"content-length: %d" % 10**30, body=None),
    "asks first": request(b"/predict", b"expect: 100-continue", ID),
    "asks first for nothing": request(b"/nowhere", b"expect: 100-continue"),
    "offers an upgrade": request(b"/predict", b"connection: upgrade", b"upgrade: h2c", ID),
    "no HTTP": b"hello\r\n\r\n",
    "twice": request(b"/predict", ID) * 2,
    "many and mixed": (
        request(b"/predict", ID) + get(b"/v1/models") + request(b"/nowhere") + of_text(b"{")
    )
    * 3,
}
"""Every one is followed by LAST."""
