"""What every mlmesh process shares: settings, server, call chain, channel, errors, health, logs."""

from __future__ import annotations
