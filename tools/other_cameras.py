"""Print a table of the mIoU under other cameras and lights, one column an artefact.

    python tools/other_cameras.py ddrnet_23_slim-camvid --data CamVid
    python tools/other_cameras.py weights/folds/*_without_0006R0.onnx --data CamVid --split only:0006R0

Each frame is segmented as it is and as another camera or another light would show it. All rows use the same frames, so
a row's difference to the first row is the effect of that camera. The table is Markdown; mIoU in per cent.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streetseg import Segmenter
from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset
from streetseg.measure.metrics import confusion_matrix, scores

Camera = Callable[
    [NDArray[np.float64]], NDArray[np.float64]
]  # frame, H x W x 3, 0 to 1 -> changed frame, which is clipped

GREY = (0.299, 0.587, 0.114)  # weights of red, green and blue in brightness


def brighter_to_the_bottom(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frame, up to twice as bright at its lower edge."""
    return frame * np.linspace(1, 2, len(frame))[:, None, None]


def left_half_in_shadow(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frame, 0.4 times as bright in its left half."""
    width = frame.shape[1]
    return frame * np.where(np.arange(width) < width // 2, 0.4, 1.0)[:, None]


def noisy(frame: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frame with normal noise, the same for all frames of one size."""
    return frame + np.random.default_rng(0).normal(0, 0.04, frame.shape)


CAMERAS: dict[str, Camera] = {
    "as they are": lambda frame: frame,
    "1.5 times as bright": lambda frame: 1.5 * frame,
    "half as bright": lambda frame: 0.5 * frame,
    "washed out": lambda frame: 0.3 + 0.5 * frame,
    "warmer": lambda frame: frame * (1.2, 1.0, 0.8),
    "cooler": lambda frame: frame * (0.8, 1.0, 1.2),
    "without colour": lambda frame: np.repeat(frame @ GREY, 3).reshape(frame.shape),
    "noisy": noisy,
    "brighter to the bottom, up to twice": brighter_to_the_bottom,
    "the same, and cooler": lambda frame: brighter_to_the_bottom(frame) * (0.8, 1.0, 1.2),
    "left half 0.4 times as bright": left_half_in_shadow,
}


def mious(segmenter: Segmenter, dataset: Dataset, split: str, every: int = 4) -> dict[str, float]:
    """Return camera -> mIoU, 0 to 1, over every Nth frame of a split."""
    classes = len(segmenter.card.classes)
    matrices = {name: np.zeros((classes, classes), np.int64) for name in CAMERAS}
    for pair in dataset.pairs(split)[::every]:
        frame, label = dataset.read(pair, segmenter.card.native_short_side)
        for name, camera in CAMERAS.items():
            changed = np.rint(camera(frame / 255).clip(0, 1) * 255).astype(np.uint8)
            matrices[name] += confusion_matrix(label, segmenter(changed).classmap, classes)
    return {name: scores(matrix).miou for name, matrix in matrices.items()}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(description="Print a table of the mIoU under other cameras and lights.")
    parser.add_argument("artefacts", nargs="+", metavar="ARTEFACT", help="NAME.onnx or a name of weights")
    parser.add_argument("--data", required=True, help="folder of the dataset")
    parser.add_argument("--split", default="val", help="split to segment (default: val)")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="segment every Nth frame (default: 4)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    options = parse(arguments)
    dataset = open_dataset(options.data)
    columns = [mious(Segmenter.open(artefact), dataset, options.split, options.every) for artefact in options.artefacts]
    print("| Frames |", " | ".join(options.artefacts), "|")
    print("|---" * (1 + len(columns)) + "|")
    for name in CAMERAS:
        print(f"| {name} |", " | ".join(f"{100 * column[name]:.2f}" for column in columns), "|")


if __name__ == "__main__":
    main()
