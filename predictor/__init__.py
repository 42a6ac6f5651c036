"""Tabular prediction service. Start it with `python -m predictor`."""

from __future__ import annotations
