"""Scenes as a network sees them while it learns: moved, scaled, mixed and pasted into each other.

Mosaic: Bochkovskiy et al. 2020, arXiv 2004.10934. Pasting: Ghiasi et al. 2021, arXiv 2012.07177.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision.training.scenes import BACKGROUND, UNKNOWN, Boxes, Classes, Pixels, Scene

GREY = 114
SCALES = (0.6, 1.6)
"""Of the scale at which the longer side fills the window."""
STRETCH = (0.85, 1.18)
MOSAIC = 0.3
"""Share of samples made of four scenes."""
MOSAIC_SCALES = (0.4, 1.0)
PASTED = 0.5
"""Share of samples that get somebody else's things."""
PASTED_SIZES = (0.3, 0.9)
"""Longer side of a pasted thing, as a share of the window."""
VISIBLE = 0.3
"""Share of a box that must be inside of the window, or else it is not asked for."""
COVERED = 0.7
"""Share of a box that a pasted thing may cover."""
LEAST_AREA = 16.0
GREYED = 0.05
"""Share of samples without colours."""


@dataclass(frozen=True, slots=True)
class Sample:
    picture: Pixels
    """uint8 [size, size, 3]."""
    mask: Pixels
    """uint8 [size, size]."""
    boxes: Boxes
    classes: Classes


class SceneMixer:
    """Makes samples out of scenes."""

    def __init__(self, scenes: Sequence[Scene], weights: Sequence[float], size: int) -> None:
        """weights: how often each scene is drawn; size: pixels of a sample's sides."""
        self._scenes = scenes
        self._shares = np.array(weights) / sum(weights)
        self._size = size
        things = [(scene, n) for scene in scenes for n in range(len(scene.cutouts))]
        kinds = sorted({int(scene.classes[n]) for scene, n in things})
        self._things = [
            [(scene, n) for scene, n in things if scene.classes[n] == kind] for kind in kinds
        ]

    def sample(self, random: np.random.Generator) -> Sample:
        made = self._mosaic(random) if random.random() < MOSAIC else self._single(random)
        if self._things and random.random() < PASTED:
            for _ in range(random.integers(1, 3)):
                made = self._pasted(made, random)
        if random.random() < 0.5:
            made = _mirrored(made)
        return replace(made, picture=_coloured(made.picture, random))

    def _single(self, random: np.random.Generator) -> Sample:
        return _framed(self._draw(random), (self._size, self._size), SCALES, self._size, random)

    def _mosaic(self, random: np.random.Generator) -> Sample:
        size = self._size
        middle_x, middle_y = (int(share * size) for share in random.uniform(0.35, 0.65, 2))
        windows = (
            (0, 0, middle_x, middle_y),
            (middle_x, 0, size, middle_y),
            (0, middle_y, middle_x, size),
            (middle_x, middle_y, size, size),
        )
        picture = np.full((size, size, 3), GREY, np.uint8)
        mask = np.zeros((size, size), np.uint8)
        boxes, classes = [], []
        for left, top, right, bottom in windows:
            window = right - left, bottom - top
            part = _framed(self._draw(random), window, MOSAIC_SCALES, size, random)
            picture[top:bottom, left:right] = part.picture
            mask[top:bottom, left:right] = part.mask
            boxes.append(part.boxes + np.array([left, top, left, top], np.float32))
            classes.append(part.classes)
        return Sample(picture, mask, np.concatenate(boxes), np.concatenate(classes))

    def _draw(self, random: np.random.Generator) -> Scene:
        return self._scenes[random.choice(len(self._scenes), p=self._shares)]

    def _pasted(self, under: Sample, random: np.random.Generator) -> Sample:
        # Kinds are drawn first: there are many more cats than people.
        kind = self._things[random.integers(len(self._things))]
        scene, place = kind[random.integers(len(kind))]
        left, top, right, bottom = _whole(scene, place)
        share = random.uniform(*PASTED_SIZES) * self._size / max(right - left, bottom - top)
        size = max(2, round((right - left) * share)), max(2, round((bottom - top) * share))
        box = (left, top, right, bottom)
        thing = np.asarray(scene.picture.resize(size, Image.Resampling.BILINEAR, box=box))
        cutout = Image.fromarray(scene.cutouts[place])
        shape = np.asarray(cutout.resize(size, Image.Resampling.BILINEAR, box=box))
        assert scene.mask is not None
        kinds = np.asarray(scene.mask.resize(size, Image.Resampling.NEAREST, box=box))
        if random.random() < 0.5:
            thing, shape, kinds = thing[:, ::-1], shape[:, ::-1], kinds[:, ::-1]
        at_x = int(random.integers(-size[0] // 4, self._size - size[0] * 3 // 4))
        at_y = int(random.integers(-size[1] // 4, self._size - size[1] * 3 // 4))
        return _put(under, thing, shape, kinds, int(scene.classes[place]), (at_x, at_y))


def _framed(
    scene: Scene,
    window: tuple[int, int],
    scales: tuple[float, float],
    size: int,
    random: np.random.Generator,
) -> Sample:
    """The scene at a random scale and place in a window of (width, height)."""
    width, height = scene.picture.size
    scale = size / max(width, height) * random.uniform(*scales)
    stretch = random.uniform(*STRETCH)
    wide, high = max(8, round(width * scale * stretch)), max(8, round(height * scale / stretch))
    left, top = _offset(window[0] - wide, random), _offset(window[1] - high, random)
    # Where the scene is seen: in the window, then in its own pixels.
    seen = max(0, left), max(0, top), min(window[0], left + wide), min(window[1], top + high)
    across, down = wide / width, high / height
    box = (
        (seen[0] - left) / across,
        (seen[1] - top) / down,
        min(width, (seen[2] - left) / across),
        min(height, (seen[3] - top) / down),
    )
    inside = seen[2] - seen[0], seen[3] - seen[1]
    picture = np.full((window[1], window[0], 3), GREY, np.uint8)
    mask = np.full((window[1], window[0]), BACKGROUND, np.uint8)
    place = np.s_[seen[1] : seen[3], seen[0] : seen[2]]
    picture[place] = np.asarray(scene.picture.resize(inside, Image.Resampling.BILINEAR, box=box))
    if scene.mask is None:
        mask[place] = UNKNOWN
    else:
        mask[place] = np.asarray(scene.mask.resize(inside, Image.Resampling.NEAREST, box=box))
    factors = np.array([across, down, across, down], np.float32)
    boxes = scene.boxes * factors + np.array([left, top, left, top], np.float32)
    return _clipped(Sample(picture, mask, boxes, scene.classes))


def _offset(room: int, random: np.random.Generator) -> int:
    return int(random.integers(min(0, room), max(0, room) + 1))


def _clipped(made: Sample) -> Sample:
    """Boxes cut to the window; those that are mostly outside of it go."""
    height, width = made.mask.shape
    inside = made.boxes.clip(0, np.array([width, height, width, height], np.float32))
    areas = _areas(inside)
    kept = (areas > VISIBLE * _areas(made.boxes)) & (areas > LEAST_AREA)
    return replace(made, boxes=inside[kept], classes=made.classes[kept])


def _areas(boxes: Boxes) -> Boxes:
    areas: Boxes = (boxes[:, 2] - boxes[:, 0]).clip(0) * (boxes[:, 3] - boxes[:, 1]).clip(0)
    return areas


def _whole(scene: Scene, place: int) -> tuple[int, int, int, int]:
    """A thing's box in whole pixels."""
    width, height = scene.picture.size
    left, top, right, bottom = scene.boxes[place]
    return (
        int(left),
        int(top),
        min(width, max(int(left) + 1, int(np.ceil(right)))),
        min(height, max(int(top) + 1, int(np.ceil(bottom)))),
    )


def _put(
    under: Sample, thing: Pixels, shape: Pixels, kinds: Pixels, kind: int, at: tuple[int, int]
) -> Sample:
    height, width = under.mask.shape
    left, top = at
    seen = (
        max(0, left),
        max(0, top),
        min(width, left + thing.shape[1]),
        min(height, top + len(thing)),
    )
    target = np.s_[seen[1] : seen[3], seen[0] : seen[2]]
    source = np.s_[seen[1] - top : seen[3] - top, seen[0] - left : seen[2] - left]
    picture, mask = under.picture.copy(), under.mask.copy()
    share = shape[source][..., None].astype(np.float32) / 255
    picture[target] = (thing[source] * share + picture[target] * (1 - share)).astype(np.uint8)
    covers = np.zeros(mask.shape, np.bool_)
    covers[target] = shape[source] > 127
    # Neighbours within the box that are not the thing itself are not pasted.
    own = np.isin(kinds[source], (kind + 1, UNKNOWN))
    mask[target] = np.where(covers[target] & own, kinds[source], mask[target])
    kept = np.array(
        [_covered(covers, under.boxes[row]) <= COVERED for row in range(len(under.boxes))], np.bool_
    )
    box = np.array([[left, top, left + thing.shape[1], top + len(thing)]], np.float32)
    return _clipped(
        Sample(
            picture,
            mask,
            np.concatenate([under.boxes[kept], box]),
            np.concatenate([under.classes[kept], [kind]]),
        )
    )


def _covered(covers: NDArray[np.bool_], box: Boxes) -> float:
    left, top, right, bottom = box.round().astype(int)
    part = covers[top:bottom, left:right]
    return float(part.mean()) if part.size else 0.0


def _mirrored(made: Sample) -> Sample:
    boxes = made.boxes.copy()
    boxes[:, [0, 2]] = made.mask.shape[1] - boxes[:, [2, 0]]
    return replace(made, picture=made.picture[:, ::-1], mask=made.mask[:, ::-1], boxes=boxes)


def _coloured(picture: Pixels, random: np.random.Generator) -> Pixels:
    """Other light: contrast, brightness and the balance of the colours."""
    contrast, light = random.uniform(0.7, 1.3), random.uniform(-25, 25)
    tint = random.uniform(-12, 12, 3)
    levels = np.arange(256, dtype=np.float32)[:, None]
    table = ((levels - 128) * contrast + 128 + light + tint).clip(0, 255).astype(np.uint8)
    changed = np.stack([table[picture[..., colour], colour] for colour in range(3)], axis=-1)
    if random.random() < GREYED:
        grey = Image.fromarray(changed).convert("L").convert("RGB")
        changed = np.asarray(grey)
    return changed
