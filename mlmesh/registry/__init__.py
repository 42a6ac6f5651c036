"""What a model version is: its manifest, and the folder that holds it."""

from __future__ import annotations
