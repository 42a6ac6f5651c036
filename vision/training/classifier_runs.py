"""The three runs that the classifier comes from, each with a schedule of its own.

A shallow and a deep network learn from the labels (Jordan 2024, arXiv 2404.00498). The deep one
goes on and learns from what the two say together, too (born-again networks, Furlanello et al. 2018,
arXiv 1805.04770).
"""

from __future__ import annotations

from dataclasses import dataclass

from vision.training.classifier_fitting import Schedule
from vision.training.classifier_pictures import Changes

SHALLOW = Schedule(epochs=16, rate=11.5, decay=0.0153, changes=Changes())
DEEP = Schedule(epochs=32, rate=9.0, decay=0.012, changes=Changes(shift=4, mixed=0.5))
TAUGHT = Schedule(
    epochs=30,
    rate=4.5,
    decay=0.006,
    whitening_epochs=0,
    last_share=0.0,
    changes=Changes(shift=4, zoomed=0.35, most_part=45, mixed=0.5, light=0.2),
)


@dataclass(frozen=True, slots=True)
class Runs:
    shallow: Schedule = SHALLOW
    deep: Schedule = DEEP
    taught: Schedule = TAUGHT
