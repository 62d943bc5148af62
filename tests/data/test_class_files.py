"""Class files of other tools: each form, the order of trust, and one line for each contradiction or mistake."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from streetseg.data.class_files import find_classes, read_class_file
from streetseg.data.datasets import open_dataset
from streetseg.errors import DatasetError
from tests.support.mask_data import COLOURS, NAMES, classes, label, pairs_of_files, reads, save, write

NUMBERED = dict(zip("012", NAMES, strict=True))
RGB = [tuple(colour) for colour in COLOURS.tolist()]


@pytest.mark.parametrize(
    ("name", "text", "coloured"),
    [
        ("labelmap.txt", "# label\nsky:70,130,180::\nroad:128,64,128:a,b:\ncar:0,0,142::\n", True),
        ("label_colors.txt", "70 130 180\t\tsky\n128 64 128\t\troad\n0 0 142\t\tcar\n", True),
        ("label_colours.txt", "sky 70 130 180\nroad 128 64 128\ncar 0 0 142\n", True),
        ("colormap.txt", "sky: 70, 130, 180\nroad: 128, 64, 128\ncar: 0, 0, 142\n", True),
        ("class_dict.csv", "name,r,g,b\nsky,70,130,180\nroad,128,64,128\ncar,0,0,142\n", True),
        ("class_dict_seg.csv", "name, r, g, b\nsky, 70, 130, 180\nroad, 128, 64, 128\ncar, 0, 0, 142\n", True),
        ("labels_class_dict.csv", "Name;Red;Green;Blue\nsky;70;130;180\nroad;128;64;128\ncar;0;0;142\n", True),
        ("classes.csv", "id,class\n0,sky\n1,road\n2,car\n", False),
        ("_classes.csv", "Pixel Value, Class\n0, sky\n1, road\n2, car\n", False),
        ("codes.txt", "sky\nroad\ncar\n", False),
        ("labels.txt", "__ignore__\nsky\nroad\ncar\n", False),
        ("classes.txt", "\ufeffsky\n\nroad\n# more\ncar\n", False),
        ("class_names.txt", "0 sky\n1 road\n2 car\n", False),
        ("label_names.txt", "0: sky\n1: road\n2: car\n", False),
        ("dataset_meta.json", json.dumps({"label_map": NUMBERED, "segmentation_colors": RGB}), True),
        ("class_list.json", json.dumps({f"#{bytes(c).hex()}": n for c, n in zip(RGB, NAMES, strict=True)}), True),
        ("data.yaml", "train: a\nnames: [sky, road, car]\n", False),
        ("data.yaml", "names:\n  0: sky\n  1: road\n  2: car\n", False),
        ("classes.yml", "- sky\n- road\n- car\n", False),
        ("Classes.YAML", "- sky\n- road\n- car\n", False),
    ],
)  # fmt: skip
def test_every_form_names_the_classes(name: str, text: str, coloured: bool, tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png")
    path = write(text, tmp_path / name)
    dataset = reads(tmp_path, "images-masks")
    assert dataset.class_file == path
    if coloured:
        assert dataset.labels.colours == tuple(RGB)
        pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png", COLOURS)
        reads(tmp_path, "images-masks")


def test_names_that_say_void_do_not_count(tmp_path: Path) -> None:
    for void in ("Void", "unlabeled", "Unlabelled", "ignore", "__ignore__"):
        classes = read_class_file(write(f"a\nb\n{void}\n", tmp_path / "codes.txt"))
        assert [entry.name for entry in classes.counted] == ["a", "b"]


def test_several_colours_of_one_name_are_one_class(tmp_path: Path) -> None:
    text = "name,r,g,b\nroad,1,1,1\ncar,2,2,2\nroad,3,3,3\n"
    first, second = read_class_file(write(text, tmp_path / "class_dict.csv")).entries
    assert (first.name, first.colours, first.indices) == ("road", ((1, 1, 1), (3, 3, 3)), (0, 2))
    assert second.indices == (1,)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("codes.txt", "\n# nothing\n", "names no class; give each class a line"),
        ("codes.txt", "road\ncar\nroad\n", "gives name 'road' to two classes"),
        (
            "class_dict.csv",
            "name,r,g,b\nroad,1,2\n",
            "class 1 is 'road,1,2'; expected name,r,g,b with numbers from 0",
        ),
        ("class_dict.csv", "name,r,g,b\nroad,1,2,300\n", "class 1 is 'road,1,2,300'; expected"),
        ("label_colors.txt", "1 1 1 a\n1 1 1 b\n", r"gives colour \(1, 1, 1\) to two classes"),
        ("class_list.json", "[", "cannot be read"),
        ("class_list.json", "[1, 2]", "names no classes in a way that is known here; write them to classes.yaml"),
        ("data.yaml", "names: {a: b}", "names no classes in a way that is known here"),
        ("data.yaml", "names: [a: [", "cannot be read"),
        ("dataset_meta.json", '{"label_map": {"300": "a"}}', "names no classes in a way that is known here"),
    ],
)
def test_mistakes_are_one_line(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        read_class_file(write(text, tmp_path / name))
    assert "\n" not in str(caught.value)


def test_classes_yaml_takes_colours_from_the_other_file(tmp_path: Path) -> None:
    """The names and what counts are those of classes.yaml; colours it has none."""
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png", COLOURS)
    classes(tmp_path, ("Sky", "ROAD", "car"))
    write("name,r,g,b\nsky,70,130,180\nroad,128,64,128\ncar,0,0,142\n", tmp_path / "class_dict.csv")
    dataset = reads(tmp_path, None, ("Sky", "ROAD", "car"))
    assert dataset.class_file == tmp_path / "classes.yaml"
    assert dataset.sources == (tmp_path / "class_dict.csv",)


def test_coloured_masks_need_a_file_with_colours(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png", COLOURS)
    write("car\nroad\nsky\n", tmp_path / "codes.txt")  # its order is of no importance
    write("70 130 180 sky\n128 64 128 road\n0 0 142 car\n", tmp_path / "label_colors.txt")
    assert reads(tmp_path).class_file == tmp_path / "label_colors.txt"


def test_two_files_with_other_colours_or_values_are_refused(tmp_path: Path) -> None:
    mask = save(label(), tmp_path / "mask.png")
    write("70 130 180 sky\n128 64 128 road\n0 0 142 car\n", tmp_path / "label_colors.txt")
    write("name,r,g,b\nroad,70,130,180\nsky,128,64,128\ncar,0,0,142\n", tmp_path / "class_dict.csv")
    with pytest.raises(
        DatasetError, match=r"colors\.txt gives sky the colour \(70, 130, 180\), .*class_dict\.csv gives"
    ):
        find_classes([tmp_path], [mask])
    (tmp_path / "class_dict.csv").unlink()
    write("road\nsky\ncar\n", tmp_path / "codes.txt")
    with pytest.raises(DatasetError, match=r"label_colors\.txt gives sky the value 0, .*codes\.txt gives it 1"):
        find_classes([tmp_path], [mask])
    assert find_classes([tmp_path], [save(COLOURS[label()], tmp_path / "mask.png")]) is not None


def test_classes_yaml_may_give_all_classes_other_names(tmp_path: Path) -> None:
    """As where a file of another tool spells them wrong, or in another language."""
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png", COLOURS)
    write("name,r,g,b\nsyk,70,130,180\nraod,128,64,128\ncra,0,0,142\n", tmp_path / "class_dict.csv")
    lines = [f"- {{name: {name}, colour: {list(colour)}}}\n" for name, colour in zip(NAMES, RGB, strict=True)]
    write("".join(reversed(lines)), tmp_path / "classes.yaml")
    assert reads(tmp_path).class_file == tmp_path / "classes.yaml"
    write("".join(lines[:2]), tmp_path / "classes.yaml")
    with pytest.raises(DatasetError, match="name different classes"):
        open_dataset(tmp_path)


def test_files_of_tools_must_not_call_a_value_differently(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "{split}/f{i}.jpg", "{split}/f{i}_mask.png")
    write("Pixel Value, Class\n0, sky\n1, road\n2, car\n", tmp_path / "train/_classes.csv")
    write("Pixel Value, Class\n0, sky\n1, raod\n2, car\n", tmp_path / "val/_classes.csv")
    with pytest.raises(DatasetError, match=r"train/_classes\.csv calls 1 road, .*val/_classes\.csv calls it raod"):
        open_dataset(tmp_path)
    classes(tmp_path)
    reads(tmp_path)


def test_names_may_be_stored_composed_or_apart(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png", COLOURS)
    apart, composed = (unicodedata.normalize(form, "straße größe") for form in ("NFD", "NFC"))
    write(f"name,r,g,b\nsky,70,130,180\n{apart},128,64,128\ncar,0,0,142\n", tmp_path / "class_dict.csv")
    classes(tmp_path, ("sky", composed, "car"))
    reads(tmp_path, None, ("sky", composed, "car"))
    classes(tmp_path, ("sky", apart, "car"))
    reads(tmp_path, None, ("sky", composed, "car"))


def test_data_yaml_counts_alone_only(tmp_path: Path) -> None:
    """Beside another class file it is of a detector, whose classes are others."""
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png")
    write("names: [car, person]\n", tmp_path / "data.yaml")
    classes(tmp_path)
    reads(tmp_path, "images-masks")


def test_a_class_file_may_lie_beside_the_masks(tmp_path: Path) -> None:
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png")
    path = write("sky\nroad\ncar\n", tmp_path / "masks/classes.txt")
    assert reads(tmp_path).class_file == path


def test_masks_count_from_one_without_a_name_for_zero(tmp_path: Path) -> None:
    """A value that nobody named is an error of the mask, never another class."""
    pairs_of_files(tmp_path, "images/{split}/f{i}.jpg", "masks/{split}/f{i}.png", np.array([1, 2, 3], np.uint8))
    write("sky\nroad\ncar\n", tmp_path / "codes.txt")
    dataset = open_dataset(tmp_path)
    with pytest.raises(DatasetError, match="pixel value 3 is not a class index; allowed are 0 to 2"):
        dataset.read_label(dataset.pairs("train")[0])
