"""What every mlmesh process shares: settings, server, call chain, channels, errors, health, logs."""

from __future__ import annotations
