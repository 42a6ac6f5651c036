"""Sheets of hits and misses, drawn from one's own copy of the data.

The photographs may not be passed on: no sheet is part of this repository.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mlmesh.registry.manifest import MODEL_FILE
from vision.framing import CentreSquare, Letterbox
from vision.training import classifier, detector, segmenter
from vision.training.cifar import LABELS as CIFAR_LABELS
from vision.training.classifier_sets import Photograph, read_classifier_tests
from vision.training.detection_figures import SURE, Found, Truth, judged
from vision.training.framed import framed, pictures_of
from vision.training.graph import Graph
from vision.training.mask_figures import counts_of
from vision.training.release import VERSION
from vision.training.scene_sets import TESTS, read_scenes
from vision.training.scenes import LABELS, MASK_LABELS, Scene

TILE = 224
ACROSS, DOWN = 6, 4
CAPTION = 16
COLOURS = ((230, 60, 60), (60, 200, 90), (70, 120, 240))
TRUTH = (255, 255, 255)
HIT = 0.75
"""What the best pictures reach at least, 0 to 1."""
Tile = tuple[Image.Image, str]


def draw_sheets(data: Path, models: Path, folder: Path) -> None:
    """Write `<model>-<set>-hits.png` and `-misses.png` into `folder`, of the shipped versions."""
    folder.mkdir(parents=True, exist_ok=True)

    def graph(name: str) -> Graph:
        return Graph(models / name / VERSION / MODEL_FILE)

    for name, photographs in read_classifier_tests(data).items():
        hits, misses = _classified(graph(classifier.NAME), photographs)
        _save(folder / f"classifier-{name}", hits, misses)
    scenes = read_scenes(data)
    detects, segments = graph(detector.NAME), graph(segmenter.NAME)
    for part in TESTS:
        some = [scene for scene in scenes if scene.part == part]
        _save(folder / f"detector-{part}", *_by_worst(some, lambda one: _detected(detects, one)))
        masked = [scene for scene in some if scene.mask is not None and len(scene.boxes)]
        if masked:
            tiles = _by_worst(masked, lambda one: _segmented(segments, one))
            _save(folder / f"segmenter-{part}", *tiles)


def _classified(graph: Graph, photographs: Sequence[Photograph]) -> tuple[list[Tile], list[Tile]]:
    """The surest right and the surest wrong answers."""
    pictures = pictures_of((one.content for one in photographs), CentreSquare(graph.side))
    shares = graph(pictures)["probabilities"]
    order = np.argsort(-shares.max(axis=1))
    hits: list[Tile] = []
    misses: list[Tile] = []
    for row in order:
        answer, kind = int(shares[row].argmax()), photographs[row].kind
        said = f"{CIFAR_LABELS[answer]} {shares[row, answer]:.2f}"
        picture = Image.fromarray(pictures[row])
        if answer == kind:
            hits.append((picture, said))
        else:
            misses.append((picture, f"{said}, is {CIFAR_LABELS[kind]}"))
    return hits, misses


def _by_worst(
    scenes: Sequence[Scene], judge: Callable[[Scene], tuple[Image.Image, float]]
) -> tuple[list[Tile], list[Tile]]:
    judged = [(*judge(scene), scene.name) for scene in scenes]
    judged.sort(key=lambda one: one[1])
    tiles = [(good, (picture, f"{name} {good:.2f}")) for picture, good, name in judged]
    hits = [tile for good, tile in reversed(tiles) if good >= HIT]
    return hits, [tile for good, tile in tiles if good < HIT]


def _detected(graph: Graph, scene: Scene) -> tuple[Image.Image, float]:
    """Boxes named by default in their colours, true ones in white; how good: F1 of the boxes."""
    seen = framed(scene.content, Letterbox(graph.side))
    [found] = detector.found_in([scene], graph.run(seen.pixels[None]))
    picture = scene.picture.copy()
    pen = ImageDraw.Draw(picture)
    for box in scene.boxes:
        pen.rectangle(tuple(map(float, box)), outline=TRUTH, width=1)
    hits = _hits(scene, found)
    sure = found.scores >= SURE
    for box, kind, score in zip(
        found.boxes[sure], found.classes[sure], found.scores[sure], strict=True
    ):
        pen.rectangle(tuple(map(float, box)), outline=COLOURS[kind], width=2)
        pen.text((float(box[0]) + 3, float(box[1]) + 1), f"{LABELS[kind]} {score:.2f}")
    total = len(scene.boxes) + int(sure.sum())
    return picture, 2 * hits / total if total else 1.0


def _hits(scene: Scene, found: Found) -> int:
    truth = Truth(scene.boxes, scene.classes)
    each = (judged(truth, found, kind) for kind in range(len(LABELS)))
    return sum(int(one.right[one.scores >= SURE].sum()) for one in each)


def _segmented(graph: Graph, scene: Scene) -> tuple[Image.Image, float]:
    """The mask in the colours of its classes; how good: the IoU of what is no background."""
    mask = segmenter.mask_of(graph, scene)
    counts = counts_of(np.asarray(scene.mask), mask, len(MASK_LABELS))
    picture = np.asarray(scene.picture).astype(np.float32)
    for kind, colour in enumerate(COLOURS, 1):
        picture[mask == kind] = picture[mask == kind] / 2 + np.array(colour) / 2
    right = int(np.trace(counts[1:, 1:]))
    joined = int(counts.sum() - counts[0, 0])
    return Image.fromarray(picture.astype(np.uint8)), right / max(1, joined)


def _save(path: Path, hits: Sequence[Tile], misses: Sequence[Tile]) -> None:
    for kind, tiles in (("hits", hits), ("misses", misses)):
        _sheet(tiles[: ACROSS * DOWN]).save(path.with_name(f"{path.name}-{kind}.png"))


def _sheet(tiles: Sequence[Tile]) -> Image.Image:
    sheet = Image.new("RGB", (ACROSS * TILE, DOWN * (TILE + CAPTION)))
    pen = ImageDraw.Draw(sheet)
    for place, (picture, caption) in enumerate(tiles):
        left, top = place % ACROSS * TILE, place // ACROSS * (TILE + CAPTION)
        scale = TILE / max(picture.size)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        sheet.paste(picture.resize(size), (left, top))
        pen.text((left + 2, top + TILE + 2), caption, fill=TRUTH)
    return sheet
