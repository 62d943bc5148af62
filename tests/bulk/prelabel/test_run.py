"""Pre-labelled frames are read back by our own readers, and by the tools' own libraries where they are installed."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streetseg.bulk.prelabel.label_studio import brush_runs
from streetseg.bulk.prelabel.run import CHOSEN, prelabel
from streetseg.bulk.prelabel.tools import TOOLS
from streetseg.data.datasets import open_dataset
from streetseg.data.encoded_masks import brush_mask
from streetseg.data.pairs import Dataset
from streetseg.errors import ImageError, OutputError, UsageError
from streetseg.runtime.frames import read_frame
from streetseg.runtime.segmenter import Segmenter
from tests.support.command_line import files_below
from tests.support.tiny import write_tiny

NAMES = ("road", "car", "person")


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    """The tiny artefact, with classes that Cityscapes has."""
    path = tmp_path_factory.mktemp("weights") / "tiny.onnx"
    return Segmenter.open(write_tiny(path, classes=NAMES), engine="onnxruntime", threads=1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four small photos in two folders, two of one name."""
    root = tmp_path_factory.mktemp("photos")
    for seed, name in enumerate(["a/1.png", "a/2.jpg", "b/1.png", "b/über 3.png"]):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (40, 56, 3)).astype(np.uint8)).save(path)
    return root


def names_by_frame(dataset: Dataset) -> dict[bytes, np.ndarray]:
    """Frames, by their pixels -> class maps of names."""
    names = np.array([*dataset.labels.names, "void"])
    return {
        read_frame(pair.image).tobytes(): names[np.minimum(dataset.read_label(pair), len(names) - 1)]
        for pairs in dataset.splits.values()
        for pair in pairs
    }


def accepted(root: Path) -> None:
    """Do what Label Studio does when an annotator submits every prediction as it is."""
    path = root / "tasks.json"
    tasks = json.loads(path.read_text(encoding="utf-8"))
    for number, task in enumerate(tasks):
        task |= {"id": number, "annotations": [{"id": number, "result": task.pop("predictions")[0]["result"]}]}
    path.write_text(json.dumps(tasks), encoding="utf-8")


@pytest.mark.parametrize(("to", "brush"), [*((to, False) for to in TOOLS), ("labelstudio", True)])
def test_our_own_readers_give_the_class_maps_back(
    to: str, brush: bool, photos: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    out = tmp_path / ("out.zip" if TOOLS[to].zipped else "out")
    done = prelabel(photos, out, to=to, weights=segmenter, tolerance=0, brush=brush)
    assert (done.frames, done.listed, done.failed, done.iou) == (4, 4, {}, 1)
    assert done.classes[: len(NAMES)] == NAMES or to == "cityscapes"
    assert (done.tolerance is None) == (brush or to in ("cvat", "coco", "folder"))
    root = out
    if TOOLS[to].zipped:
        root = tmp_path / "unzipped"
        zipfile.ZipFile(out).extractall(root)
    if to == "labelstudio":
        accepted(root)
    found = names_by_frame(open_dataset(root))
    names = np.array(NAMES)
    images = [path for path in photos.rglob("*") if path.is_file()]
    assert len(found) == len(images)
    for image in images:
        frame = read_frame(image)
        np.testing.assert_array_equal(found[frame.tobytes()], names[segmenter(frame).classmap])


def test_polygons_of_cityscapes_give_the_class_map_without_its_pngs(
    photos: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    """Our reader paints by pixel centres, so that half a pixel is lost at borders; regions and labels must agree."""
    prelabel(photos / "a/1.png", tmp_path / "out", to="cityscapes", weights=segmenter, tolerance=0)
    (path,) = (tmp_path / "out").rglob("*_gtFine_polygons.json")
    content = json.loads(path.read_text())
    assert (content["imgHeight"], content["imgWidth"]) == (40, 56)
    assert {entry["label"] for entry in content["objects"]} <= set(NAMES)
    for png in (tmp_path / "out").rglob("*_gtFine_label*.png"):
        png.unlink()
    found = next(iter(names_by_frame(open_dataset(tmp_path / "out")).values()))
    truth = np.array(NAMES)[segmenter(read_frame(photos / "a/1.png")).classmap]
    assert (found == truth).mean() > 0.5


def test_simplified_polygons_say_what_they_lose(photos: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    done = prelabel(photos, tmp_path / "out", to="yolo", weights=segmenter, tolerance=2)
    assert done.iou < 1
    assert done.table() == (
        f"{tmp_path}/out: 4 of 4 frames, 3 classes for yolo; polygons, tolerance 2 pixels, IoU there and back "
        f"{100 * done.iou:.2f} %; 0 errors"
    )


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999, 1.0])
def test_a_brush_is_read_back(share: float) -> None:
    mask = np.random.default_rng(0).random((150, 200)) < share
    np.testing.assert_array_equal(brush_mask(brush_runs(mask), (150, 200)), mask)


def test_a_bad_image_is_told_and_the_others_are_written(photos: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    told: list[str] = []
    done = prelabel([photos / "a", bad], tmp_path / "out", to="folder", weights=segmenter, tell=told.append)
    assert (done.frames, list(done.failed)) == (2, [bad])
    assert len(told) == 1
    with pytest.raises(ImageError, match=r"bad\.png"):
        prelabel(bad, tmp_path / "none", to="folder", weights=segmenter)
    assert not (tmp_path / "none").exists()


def test_a_selection_is_written_with_its_uncertainty(photos: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    done = prelabel(photos, tmp_path / "out", to="folder", weights=segmenter, select="uncertain:2")
    assert (done.frames, done.listed) == (2, 4)
    with (tmp_path / "out" / CHOSEN).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = [path for path in photos.rglob("*") if path.is_file()]
    unsure = {str(path): 1 - float(segmenter(read_frame(path)).confidence().mean()) for path in images}
    assert {row["source"]: float(row["uncertainty"]) for row in rows} == pytest.approx(
        {row["source"]: unsure[row["source"]] for row in rows}, abs=1e-5
    )
    assert max(unsure, key=unsure.__getitem__) in {row["source"] for row in rows}
    assert {path.parent.name for path in map(Path, (row["source"] for row in rows))} <= {"a", "b"}
    assert len(open_dataset(tmp_path / "out").splits) >= 1
    again = prelabel(photos, tmp_path / "random", to="yolo", weights=segmenter, select="random:3", seed=1)
    assert again.frames == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"to": "paint"}, "choose one of cvat"),
        ({"to": "cvat"}, "give NAME.zip"),
        ({"to": "yolo", "tolerance": -1}, "tolerance must be"),
        ({"to": "yolo", "tolerance": float("nan")}, "tolerance must be"),
        ({"to": "yolo", "smallest": 0}, "smallest must be"),
        ({"to": "yolo", "brush": True}, "--brush is for labelstudio"),
        ({"to": "yolo", "select": "worst:3"}, "uncertain:N"),
        ({"to": "yolo", "names": {"dog": "cat"}}, "dog"),
        ({"to": "cityscapes", "names": {"car": "cat"}}, "cat"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_is_written(
    options: dict[str, object], words: str, photos: Path, segmenter: Segmenter, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        prelabel(photos, tmp_path / "out", weights=segmenter, **options)  # type: ignore[arg-type]
    assert files_below(tmp_path) == set()


def test_what_is_there_is_kept(photos: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    (tmp_path / "out.zip").write_text("mine")
    for to, out in (("yolo", "out"), ("cvat", "out.zip")):
        with pytest.raises(OutputError, match="there already"):
            prelabel(photos, tmp_path / out, to=to, weights=segmenter)
    assert files_below(tmp_path) == {"out/mine.txt", "out.zip"}


# ---- the tools' own libraries


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
def test_pycocotools_reads_coco(photos: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is the oracle of COCO's format")
    prelabel(photos / "a", tmp_path / "out", to="coco", weights=segmenter)
    written = coco.COCO(str(tmp_path / "out/annotations/instances_train.json"))
    for image in written.loadImgs(written.getImgIds()):
        label = np.full((40, 56), 255, np.uint8)
        for annotation in written.loadAnns(written.getAnnIds(imgIds=[image["id"]])):
            label[written.annToMask(annotation).astype(bool)] = annotation["category_id"] - 1
        frame = read_frame(tmp_path / "out/train" / image["file_name"])
        np.testing.assert_array_equal(label, segmenter(frame).classmap)


def test_datumaro_reads_cvat(photos: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="datumaro is the library by which CVAT reads masks")
    prelabel(photos, tmp_path / "out.zip", to="cvat", weights=segmenter)
    zipfile.ZipFile(tmp_path / "out.zip").extractall(tmp_path / "cvat")
    dataset = datumaro.Dataset.import_from(str(tmp_path / "cvat"), "voc_segmentation")
    names = [label.name for label in dataset.categories()[datumaro.AnnotationType.label]]
    items = {item.id: item for item in dataset}
    assert items.keys() == {"a/1", "a/2", "b/1", "b/über 3"}
    for key, item in items.items():
        (image,) = (path for path in photos.rglob("*") if path.with_suffix("").relative_to(photos).as_posix() == key)
        truth = np.array(NAMES)[segmenter(read_frame(image)).classmap]
        masks = {names[each.label]: each.image.astype(bool) for each in item.annotations if names[each.label] in NAMES}
        assert masks.keys() == set(np.unique(truth).tolist())
        for name, mask in masks.items():
            np.testing.assert_array_equal(mask, truth == name)


def test_label_studios_converter_reads_its_brush() -> None:
    brush = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="label-studio-sdk is the oracle of Label Studio's brush"
    )
    mask = np.random.default_rng(0).random((30, 50)) < 0.3
    found = brush.decode_rle(brush_runs(mask)).reshape(30, 50, 4)[..., 3]
    np.testing.assert_array_equal(found > 0, mask)


def test_label_studios_interface_knows_the_tasks(photos: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    interface = pytest.importorskip(
        "label_studio_sdk.label_interface", reason="label-studio-sdk is the oracle of Label Studio's tasks"
    )
    for brush in (False, True):
        out = tmp_path / str(brush)
        prelabel(photos, out, to="labelstudio", weights=segmenter, brush=brush)
        config = interface.LabelInterface((out / "label_config.xml").read_text(encoding="utf-8"))
        for task in json.loads((out / "tasks.json").read_text(encoding="utf-8")):
            assert config.validate_prediction(task["predictions"][0])


def test_cityscapes_scripts_paint_the_polygons(photos: Path, segmenter: Segmenter, tmp_path: Path) -> None:
    tool = pytest.importorskip(
        "cityscapesscripts.preparation.json2labelImg", reason="cityscapesscripts is the oracle of Cityscapes' polygons"
    )
    prelabel(photos, tmp_path / "out", to="cityscapes", weights=segmenter, tolerance=0)
    paths = list((tmp_path / "out").rglob("*_gtFine_polygons.json"))
    assert len(paths) == 4
    for path in paths:
        painted = tmp_path / "painted.png"
        tool.json2labelImg(str(path), str(painted), "ids")
        png = path.with_name(path.name.replace("polygons.json", "labelIds.png"))
        np.testing.assert_array_equal(np.asarray(Image.open(painted)), np.asarray(Image.open(png)))
