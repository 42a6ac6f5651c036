"""What the detector and the segmenter have in common: their scenes and their trunk."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vision.framing import Letterbox
from vision.training.framed import pictures_of
from vision.training.graph import Pictures
from vision.training.scene_fitting import fit_scenes
from vision.training.scene_model import SIZE, SceneModel
from vision.training.scene_sets import CHOICE, TRAIN, read_scenes
from vision.training.scenes import Scene
from vision.training.start import Start

PROBES = 128
DATA = (
    "Penn-Fudan pedestrians, a sample of Oxford-IIIT Pet, and 128 everyday photographs of COCO "
    "train2017"
)
LICENCE = (
    "Penn-Fudan: all rights with its authors, published for research; Oxford-IIIT Pet: CC BY-SA "
    "4.0 by its site, for research by its own notes; COCO: annotations CC BY 4.0, photographs of "
    "Flickr's users"
)
CITATION = (
    "Wang et al. 2007, Object detection combining recognition and segmentation; Parkhi et al. "
    "2012, Cats and dogs; Lin et al. 2014, Microsoft COCO"
)
SPLIT = (
    "pf_test: FudanPed 53 to 74 and PennPed 69 to 96, for neighbouring shots show the same street; "
    "pet_test: every fifth pet; pet_other_test: half of the pets of another collection, of mixed "
    "breeds; coco_val: 128 photographs of COCO val2017. 36 other photographs were held out for the "
    "confidences. The tests were used once, to report"
)
METHOD = (
    "A residual network of 2.4 million parameters with a feature pyramid, from scratch, boxes and "
    "masks together; AdamW in bfloat16, average of the weights; scenes moved, scaled, mixed in "
    "fours and pasted into each other; quality focal loss, generalised IoU, cross entropy and Dice "
    "loss; weights rounded to int8 for each output"
)


@dataclass(frozen=True, slots=True)
class TrainedScenes:
    model: SceneModel
    seconds: float
    scenes: list[Scene]
    """Of all parts."""

    def part(self, name: str) -> list[Scene]:
        return [scene for scene in self.scenes if scene.part == name]

    @property
    def probes(self) -> Pictures:
        """Framed pictures that are not tested."""
        chosen = [*self.part(CHOICE), *self.part(TRAIN)[::6]][:PROBES]
        return pictures_of((scene.content for scene in chosen), Letterbox(SIZE))


def train_scenes(start: Start) -> TrainedScenes:
    """Both recipes call this: the second finds the checkpoint of the first, finished."""
    scenes = read_scenes(start.data)
    torch.manual_seed(start.scenes.seed)
    model = SceneModel()
    learnt = [scene for scene in scenes if scene.part == TRAIN]
    checkpoint = start.checkpoints / "scenes.pt"
    seconds = fit_scenes(model, learnt, start.scenes, start.progress, checkpoint)
    return TrainedScenes(model, seconds, scenes)
