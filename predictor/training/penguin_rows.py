"""The rows of Palmer Archipelago penguins: four measurements and a species."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from predictor.training.rows import Rows, split

SPECIES = ("Adelie", "Chinstrap", "Gentoo")
MEASUREMENTS = {
    "bill_length_mm": ("mm", "Length of the bill, along its upper ridge"),
    "bill_depth_mm": ("mm", "Depth (height) of the bill"),
    "flipper_length_mm": ("mm", "Length of the flipper"),
    "body_mass_g": ("g", "Body mass"),
}
SEED = 0
HELD_OUT = 0.3


def read_penguins(path: Path) -> Rows:
    """The rows on which all four measurements are known."""
    with path.open(newline="", encoding="utf-8") as file:
        records = [
            record
            for record in csv.DictReader(file)
            if all(record[name] != "NA" for name in MEASUREMENTS)
        ]
    measured = [[float(record[name]) for name in MEASUREMENTS] for record in records]
    return Rows(
        {"features": np.array(measured, np.float32)},
        np.array([SPECIES.index(record["species"]) for record in records]),
    )


def parted(rows: Rows) -> tuple[Rows, Rows]:
    """What is learnt from, and what is tested."""
    return split(rows, HELD_OUT, SEED)
