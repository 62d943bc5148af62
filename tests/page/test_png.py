"""The page's own PNG files: read by Pillow, and files of Pillow and of this package read by it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from streetseg.page.files import SHARED
from streetseg.runtime.frames import write_classmap
from tests.support.javascript import module, needs_node, run_javascript

COLOURS = [(128, 64, 128), (0, 0, 0), (0, 0, 0), (255, 255, 255)]
PNG = module(SHARED / "png.js")


@needs_node
def test_a_class_map_is_written_as_the_package_writes_it(tmp_path: Path) -> None:
    classmap = np.random.default_rng(0).integers(0, 4, (37, 53), np.uint8)
    code = (
        f"import {{ encode }} from {PNG};"
        "const call = async ({data, colours}) => new Uint8Array("
        "await (await encode({data, width: 53, height: 37}, colours)).arrayBuffer());"
    )
    written = run_javascript(code, [{"data": classmap, "colours": COLOURS}])[0].tobytes()
    write_classmap(tmp_path / "ours.png", classmap, COLOURS)
    with Image.open(BytesIO(written)) as image, Image.open(tmp_path / "ours.png") as ours:
        np.testing.assert_array_equal(np.asarray(image), classmap)
        assert image.mode == ours.mode == "P"
        assert image.convert("RGB").tobytes() == ours.convert("RGB").tobytes()


@needs_node
def test_every_form_of_a_class_map_is_read(tmp_path: Path) -> None:
    """Grey or with a palette, every filter of lines, several chunks of data, classes of one colour, one pixel."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 11, (64, 70), np.uint8)
    slopes = (np.add.outer(np.arange(90), np.arange(300)) // 3 % 251).astype(np.uint8)  # Pillow filters these
    files = []
    for number, classmap in enumerate(
        [noise, slopes, np.array([[7]], np.uint8), rng.integers(0, 255, (300, 400), np.uint8)]
    ):
        path = tmp_path / f"{number}.png"
        Image.fromarray(classmap).save(path, compress_level=number)
        files.append((path, classmap))
        write_classmap(tmp_path / f"{number}_palette.png", classmap, COLOURS)
        files.append((tmp_path / f"{number}_palette.png", classmap))
    code = f"import {{ decode }} from {PNG}; const call = ({{bytes_}}) => decode(bytes_);"
    cases = [{"bytes_": np.frombuffer(path.read_bytes(), np.uint8)} for path, _ in files]
    for read, (path, classmap) in zip(run_javascript(code, cases), files, strict=True):
        assert (read["height"], read["width"]) == classmap.shape
        np.testing.assert_array_equal(read["data"].reshape(classmap.shape), classmap, err_msg=path.name)


@needs_node
def test_other_pngs_are_refused() -> None:
    buffer = BytesIO()
    Image.new("RGB", (3, 2)).save(buffer, "PNG")
    code = (
        f"import {{ decode }} from {PNG};"
        "const call = ({bytes_}) => decode(bytes_).then(() => 'read', (error) => error.message);"
    )
    contents = [buffer.getvalue(), b"GIF89a" + bytes(40)]
    messages = run_javascript(code, [{"bytes_": np.frombuffer(content, np.uint8)} for content in contents])
    assert messages == ["the class map is no PNG of 8 bits with one channel", "the class map is not a PNG"]
