"""The mlmesh command."""

from __future__ import annotations
