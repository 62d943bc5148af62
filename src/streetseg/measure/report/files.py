"""Write a report: all of its files into one folder."""

from __future__ import annotations

import re
from pathlib import Path

from streetseg.data.pairs import distinct_colours
from streetseg.measure.evaluation import Evaluation
from streetseg.measure.report.csv_files import encoded, write_csv_files
from streetseg.measure.report.page import page
from streetseg.measure.report.pictures import heat_map, jpeg, png, sheet
from streetseg.runtime.files import make_folder, write_file

NAME_LENGTH = 50  # of a frame's name in a picture's name: file systems take 255 bytes, and a letter may take four


def write_report(folder: Path, evaluation: Evaluation) -> Path:
    """Write the report of an evaluation.

    Its files are evaluation.json, classes.csv, images.csv, confusion.csv, confusion.png, a picture of each worst frame
    (worst/01_NAME.jpg) and report.html, which needs no other file. Pictures of an earlier report are removed.

    Args:
        folder: Where to write; made if missing.
        evaluation: What to report.

    Returns:
        The path of report.html.

    Raises:
        OutputError: A file cannot be written.
    """
    make_folder(folder)
    picture = png(heat_map(evaluation.matrix, evaluation.names))
    write_file(folder / "evaluation.json", evaluation.to_json().encode())
    write_csv_files(folder, evaluation)
    write_file(folder / "confusion.png", picture)
    write_worst(folder / "worst", evaluation)
    html = folder / "report.html"
    colours = evaluation.colours or distinct_colours(len(evaluation.names))
    write_file(html, encoded(page(evaluation, colours, picture)))
    return html


def write_worst(folder: Path, evaluation: Evaluation) -> None:
    """Write a picture of each worst frame, and remove those of an earlier report."""
    sheets = {
        folder / f"{rank:02}_{frame.name.rpartition('/')[2][:NAME_LENGTH]}.jpg": jpeg(sheet(frame.pictures))
        for rank, frame in enumerate(evaluation.worst, 1)
    }
    for path, content in sheets.items():
        write_file(path, content)
    for other in set(folder.glob("*.jpg")) - sheets.keys():
        if re.match(r"\d\d+_", other.name) and other.is_file():  # only names that this function gives
            other.unlink()
