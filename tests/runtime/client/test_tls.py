"""Connections to servers that prove who they are."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlmesh.runtime.channel import Coalescing, Tls, connect
from mlmesh.v1 import mesh_pb2
from tests.runtime.coalescing.carrying import calls_of, replies, serving

PREDICT = "/mlmesh.v1.PredictorService/Predict"


async def carried(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    yield replies()
    async for one in calls_of(requests):
        yield replies(mesh_pb2.Reply(id=one.id, response=b"carried"))


def certificate_of(host: str) -> tuple[bytes, bytes]:
    """A key and a certificate that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("target", ["localhost:{port}", "dns:///localhost:{port}"])
@pytest.mark.parametrize(("coalesce", "expected"), [(False, b"plain"), (True, b"carried")])
async def test_a_server_is_called_under_the_name_that_its_certificate_says(
    tmp_path: Path, target: str, coalesce: bool, expected: bytes
) -> None:
    pair = certificate_of("localhost")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(pair[1])

    async with serving(carried, credentials=grpc.ssl_server_credentials([pair])) as address:
        called = target.format(port=address.rpartition(":")[2])
        async with connect(called, tls=Tls(roots), coalesce=coalesce) as channel:
            call: Any = channel.unary_unary(PREDICT)
            answer = await call(b"")

    assert answer == expected


@pytest.mark.parametrize("coalesce", [False, Coalescing(patience_seconds=0.1)])
async def test_a_server_with_the_certificate_of_another_is_not_called(
    tmp_path: Path, coalesce: bool | Coalescing
) -> None:
    pair = certificate_of("elsewhere")
    roots = tmp_path / "roots.pem"
    roots.write_bytes(pair[1])

    async with serving(carried, credentials=grpc.ssl_server_credentials([pair])) as address:
        called = f"dns:///localhost:{address.rpartition(':')[2]}"
        async with connect(called, tls=Tls(roots), coalesce=coalesce) as channel:
            call: Any = channel.unary_unary(PREDICT)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", timeout=30)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
