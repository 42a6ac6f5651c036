"""HTTP in, gRPC out. Start it with `python -m gateway`."""

from __future__ import annotations
