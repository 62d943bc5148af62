"""Segment a picture with numpy, Pillow and ONNX Runtime: onnxruntime_only.py NAME.onnx PICTURE CLASSES.png

The same class map as streetseg's. docs/card.md explains every step.
"""

import json
import sys
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from PIL import Image


def segment(session: ort.InferenceSession, card: dict[str, Any], frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the class map, H x W uint8, of a frame, H x W x 3 uint8 RGB."""
    size = np.array(frame.shape[:2])
    ratio = min(1.0, card["native_short_side"] / min(size)) * card["operating_scale"]
    content = np.maximum(1, np.round(size * ratio)).astype(int)  # a half goes to the even number
    padded = -(-content // card["size_multiple"]) * card["size_multiple"]
    reduced = Image.fromarray(frame).resize((content[1], content[0]), Image.Resampling.BILINEAR)
    below, right = padded - content
    tensor = np.pad(np.array(reduced), ((0, below), (0, right), (0, 0)), mode="edge")[None]
    logits = session.run(None, {session.get_inputs()[0].name: tensor})[0][0]

    low, high, weight = [], [], []  # of rows and columns: the two logits around each pixel, the second one's weight
    for pixels, resized, input_pixels, n in zip(size, content, padded, logits.shape[:2], strict=True):
        centre = (np.arange(pixels) + 0.5) * resized / pixels
        if card["align_corners"]:
            position = (centre - 0.5) * (n - 1) / max(1, input_pixels - 1)
        else:
            position = centre * n / input_pixels - 0.5
        before = np.floor(position).astype(int)
        low.append(np.clip(before, 0, n - 1))
        high.append(np.clip(before + 1, 0, n - 1))
        weight.append((position - before).astype(np.float32)[:, None])
    rows = logits[low[0]] + (logits[high[0]] - logits[low[0]]) * weight[0][:, None]
    classes = [np.argmax(row[low[1]] + (row[high[1]] - row[low[1]]) * weight[1], axis=1) for row in rows]
    return np.array(classes, np.uint8)


if __name__ == "__main__":
    artefact, picture, out = sys.argv[1:]
    session = ort.InferenceSession(artefact, providers=["CPUExecutionProvider"])
    card = json.loads(session.get_modelmeta().custom_metadata_map["streetseg.card"])
    if card["card_version"] > 2:
        raise SystemExit("this artefact takes or gives something else; see docs/card.md, other forms")
    classmap = segment(session, card, np.array(Image.open(picture).convert("RGB")))
    Image.fromarray(classmap).save(out)
    for index, share in enumerate(np.bincount(classmap.ravel()) / classmap.size):
        print(f"{card['classes'][index]}: {100 * share:.1f} %")
