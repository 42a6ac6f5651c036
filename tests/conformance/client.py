"""tritonclient's four clients behind one way to call them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.conformance.loop_thread import LoopThread, Result
from tests.conformance.server import Server

KINDS: dict[str, Any] = {
    "grpc": tritonclient.grpc,
    "grpc.aio": tritonclient.grpc.aio,
    "http": tritonclient.http,
    "http.aio": tritonclient.http.aio,
}
HTTP_STATUS = {
    "INVALID_ARGUMENT": "400",
    "FAILED_PRECONDITION": "400",
    "NOT_FOUND": "404",
    "UNIMPLEMENTED": "501",
    "UNAVAILABLE": "503",
    "DEADLINE_EXCEEDED": "504",
}

GRPC = pytest.mark.parametrize("client", ["grpc", "grpc.aio"], indirect=True)
HTTP = pytest.mark.parametrize("client", ["http", "http.aio"], indirect=True)
LEAVES_BODIES = [
    pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning"),
    pytest.mark.usefixtures("no_rubbish"),
]
"""For calls whose answer http.aio's client does not read; aiohttp then warns, if it comes to it."""


class Client:
    """One client. What it can do, this can, with coroutines run to their end.

    exact: whether the server must refuse in the very words and with the status that we do.
    """

    def __init__(self, kind: str, server: Server, loop: LoopThread, *, exact: bool = True) -> None:
        self.kind = kind
        self.module = KINDS[kind]
        self.is_grpc = kind.startswith("grpc")
        self._exact = exact
        self._loop = loop
        self._address = server.grpc if self.is_grpc else server.http

    def __enter__(self) -> Client:
        self.native = self._settled(self._open)
        return self

    def __exit__(self, *_: object) -> None:
        self._settled(self.native.close)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.native, name)
        return lambda *values, **named: self._settled(method, *values, **named)

    def plain(self, name: str, *values: Any, **named: Any) -> Any:
        """What a method gives, as JSON; HTTP's clients give nothing else."""
        as_json = {"as_json": True} if self.is_grpc else {}
        return self._settled(getattr(self.native, name), *values, **named, **as_json)

    def input(self, name: str, array: NDArray[Any], **options: Any) -> Any:
        """An input tensor. options: of set_data_from_numpy."""
        datatype = np_to_triton_dtype(array.dtype)
        tensor = self.module.InferInput(name, list(array.shape), datatype)
        tensor.set_data_from_numpy(array, **options)
        return tensor

    def output(self, name: str, **options: Any) -> Any:
        """An output that is asked for."""
        return self.module.InferRequestedOutput(name, **options)

    def refuses(self, code: str, hint: str, name: str, *values: Any, **named: Any) -> None:
        """A call must fail, with gRPC's `code` or HTTP's for it, and say `hint` in its message."""
        with pytest.raises(InferenceServerException) as failed:
            self._settled(getattr(self.native, name), *values, **named)
        assert failed.value.message()
        if self._exact:
            expected = f"StatusCode.{code}" if self.is_grpc else HTTP_STATUS[code]
            assert failed.value.status() == expected, failed.value
            assert hint in failed.value.message(), failed.value

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What `work` gives, where asyncio's clients run."""
        return self._loop.run(work)

    def _open(self) -> Any:
        return self.module.InferenceServerClient(self._address)

    def _settled(self, method: Callable[..., Any], *values: Any, **named: Any) -> Any:
        """What a method gives; those of asyncio's clients are called on the loop."""
        if not self.kind.endswith("aio"):
            return method(*values, **named)

        async def call() -> Any:
            found = method(*values, **named)
            return await found if inspect.isawaitable(found) else found

        return self._loop.run(call())
