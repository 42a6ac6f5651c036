"""How a model file becomes a version of a repository: described, tried, signed and put in place."""

from __future__ import annotations
