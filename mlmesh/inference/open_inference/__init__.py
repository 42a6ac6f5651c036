"""The Open Inference Protocol (KServe v2, Triton's dialect) over the models of a host."""

from __future__ import annotations
