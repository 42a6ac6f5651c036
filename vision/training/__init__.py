"""How the shipped models are trained. Only the export command imports this: servers never do."""

from __future__ import annotations
