"""Whom a client trusts, and who it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to trust, and who one is. Files in PEM."""

    root_certificates: Path | None = None
    """None trusts whom the system trusts."""
    certificate: Path | None = None
    """The client's own chain, with `key`, for servers that ask for one."""
    key: Path | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises OSError when a file cannot be read."""
        files = (self.root_certificates, self.key, self.certificate)
        roots, key, chain = (file.read_bytes() if file else None for file in files)
        return grpc.ssl_channel_credentials(roots, key, chain)
