"""The page paints as `streetseg.overlay` does."""

from __future__ import annotations

import numpy as np

from streetseg.page.files import SHARED
from streetseg.runtime.overlay import overlay, share
from tests.support.javascript import module, needs_node, run_javascript


@needs_node
def test_the_overlay_and_the_shares_are_the_packages() -> None:
    """To one level: a browser blends the painted colours itself, and rounds in its own way."""
    rng = np.random.default_rng(0)
    classmap = np.kron(rng.integers(0, 3, (6, 7)), np.ones((5, 5))).astype(np.uint8)
    frame = rng.integers(0, 256, (*classmap.shape, 3), np.uint8)
    colours = [(128, 64, 128), (0, 200, 30), (70, 130, 180)]
    height, width = classmap.shape
    code = (
        f"import {{ paint, percent, shares }} from {module(SHARED / 'overlay.js')};"
        "const call = ({data, width, height, colours, hidden}) => {"
        "const image = {data: new Uint8Array(4 * data.length)};"
        "paint(image, {data, width, height}, colours, 0.6, new Set(hidden));"
        "return {image: image.data, shares: shares(data, 3), percent: [0, 0.0001, 0.25, 1].map(percent)} };"
    )
    case = {"data": classmap, "width": width, "height": height, "colours": colours}
    full, part = run_javascript(code, [{**case, "hidden": []}, {**case, "hidden": [1]}])
    np.testing.assert_allclose(full["shares"], share(classmap, 3))
    assert full["percent"] == ["–", "<0.1 %", "25.0 %", "100.0 %"]
    for painted, only in ((full, None), (part, [0, 2])):
        rgba = painted["image"].reshape(height, width, 4).astype(float)
        alpha = rgba[..., 3:] / 255
        blended = rgba[..., :3] * alpha + frame * (1 - alpha)
        expected = overlay(frame, classmap, ["a", "b", "c"], colours, opacity=0.6, legend=False, only=only)
        assert np.abs(blended - expected).max() <= 1
