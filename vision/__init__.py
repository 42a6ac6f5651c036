"""The vision service: what is on a picture, where, and which pixels belong to it."""

from __future__ import annotations
