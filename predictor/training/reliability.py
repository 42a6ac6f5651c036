"""The reliability plot: how often what was claimed with probability p came true, as SVG."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mlmesh.evaluation.calibration import reliability

SIZE = 360
MARGIN = 48
SPREAD = 1.96


def reliability_plot(
    title: str, axis: str, claimed: NDArray[np.float64], happened: NDArray[np.bool_]
) -> str:
    """Dots on the diagonal are honest probabilities; the bars are 95 % intervals of the frequency,
    the numbers beside the dots count rows."""
    parts = [_frame(title, axis)]
    for rows, mean, frequency in reliability(claimed, happened):
        spread = SPREAD * math.sqrt(max(frequency * (1 - frequency), 1 / rows) / rows)
        low, high = _y(max(frequency - spread, 0)), _y(min(frequency + spread, 1))
        x, y = _x(mean), _y(frequency)
        below = min(y + 14, _y(0) - 4)
        parts.append(
            f'<path d="M{x} {low}V{high}" stroke="#2563eb" stroke-width="2"/>'
            f'<circle cx="{x}" cy="{y}" r="4" fill="#2563eb"/>'
            f'<text x="{x + 8}" y="{below}" fill="#555" font-size="10">{rows:,}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _frame(title: str, axis: str) -> str:
    width = SIZE + 2 * MARGIN
    middle = width / 2
    ticks = "".join(
        f'<text x="{_x(value)}" y="{_y(0) + 16}" text-anchor="middle">{value:.1f}</text>'
        f'<text x="{_x(0) - 8}" y="{_y(value) + 4}" text-anchor="end">{value:.1f}</text>'
        for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {width}" width="{width}" '
        f'height="{width}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{width}" fill="#fff"/>\n'
        f'<text x="{middle}" y="24" text-anchor="middle" font-size="14">{title}</text>\n'
        f'<text x="{middle}" y="{width - 8}" text-anchor="middle">{axis}</text>\n'
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
        "observed frequency</text>\n"
        f'<path d="M{_x(0)} {_y(0)}H{_x(1)}V{_y(1)}H{_x(0)}Z" fill="none" stroke="#555"/>\n'
        f'<path d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}" stroke="#999" stroke-dasharray="4"/>\n'
        f"{ticks}"
    )


def _x(value: float) -> float:
    return round(MARGIN + value * SIZE, 1)


def _y(value: float) -> float:
    return round(MARGIN + (1 - value) * SIZE, 1)
