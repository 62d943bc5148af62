"""Show a dataset as a contact sheet, and the first augmented batch where PyTorch is installed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from streetseg.data.datasets import find_dataset
from streetseg.data.findings import told
from streetseg.data.pairs import Dataset
from streetseg.data.sheet.page import page
from streetseg.data.sheet.poster import poster
from streetseg.data.sheet.sheet import Sheet, make_sheet
from streetseg.errors import DatasetError, ImageError, MissingExtraError, UsageError
from streetseg.progress import Progress, silent
from streetseg.results import Facts, Printable
from streetseg.runtime.files import write_file

SUFFIXES = (".html", ".png")
NETWORK = "ddrnet_23_slim"  # for recipes that take the network from weights; views do not depend on it


@dataclass(frozen=True, repr=False)
class DatasetSheet(Printable):
    """A contact sheet that `show_dataset` has written.

    Attributes:
        out: The file.
        frames: Number of frames that it shows.
        batch: Number of augmented frames that it shows.
        findings: Doubts about the labels, a line each.
        notes: What the folder leaves open, and what the sheet lacks.
    """

    out: Path
    frames: int
    batch: int
    findings: tuple[str, ...]
    notes: tuple[str, ...]

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            The fields by their names; the path as text.
        """
        return {**dataclasses.asdict(self), "out": str(self.out)}

    def table(self) -> str:
        """Return the figures as text.

        Returns:
            Findings and notes, and last the file with what it shows.
        """
        shown = f"{self.frames} frames" + (f" and a batch of {self.batch}" if self.batch else "")
        return "\n".join([*self.findings, *(f"note: {note}" for note in self.notes), f"{self.out}: {shown}"])


def show_dataset(
    data: Dataset | Path | str,
    out: Path | str,
    *,
    frames: int = 12,
    recipe: str = "finetune",
    dataset: str | None = None,
    progress: Progress = silent,
) -> DatasetSheet:
    """Write a contact sheet: frames with their classes drawn and named, shares, sizes, and the first augmented batch.

    Without PyTorch the sheet has no batch and says so.

    Args:
        data: A dataset, or its folder.
        out: NAME.html, a page in one file, or NAME.png.
        frames: Number of frames, 1 or more; each class is shown if there are enough.
        recipe: The recipe that augments the batch (`list_recipes`).
        dataset: A key of `DATASETS`; None: recognised by the folder's layout.
        progress: Shows how many frames have been read.

    Returns:
        The file, and doubts about the labels.

    Raises:
        DatasetError: The folder is not a dataset, or none of its frames can be read.
        UsageError: The file is neither a page nor a picture, or the number of frames is below 1.
        RecipeError: There is no such recipe.
        OutputError: The file cannot be written.
    """
    out = Path(out)
    if out.suffix.lower() not in SUFFIXES:
        raise UsageError(f"a sheet is NAME.html or NAME.png, not {out.name!r}; give --out such a name")
    if frames < 1:
        raise UsageError(f"a sheet shows 1 frame or more, got {frames}")
    opened = data if isinstance(data, Dataset) else find_dataset(data, dataset)
    sheet = with_batch(make_sheet(opened, frames, progress), opened, recipe)
    if out.suffix.lower() == ".html":
        write_file(out, page(sheet).encode(errors="replace"))
    else:
        buffer = BytesIO()
        poster(sheet).save(buffer, "PNG")
        write_file(out, buffer.getvalue())
    lines = told(sheet.findings, sum(sheet.counted.values()))
    return DatasetSheet(out, len(sheet.frames), len(sheet.batch), tuple(lines), sheet.notes)


def with_batch(sheet: Sheet, dataset: Dataset, recipe: str) -> Sheet:
    """Return the sheet with the first batch of a recipe, or with a note why it has none."""
    try:
        from streetseg.training.preview import first_batch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        missing = MissingExtraError("PyTorch", "showing the augmented batch", "train")
        return dataclasses.replace(sheet, notes=(*sheet.notes, str(missing)))
    from streetseg.training.plan import make_plan
    from streetseg.training.recipes.recipes import recipe_named

    named = recipe_named(recipe)
    settings = {"init": "", **({} if named.network else {"network": NETWORK})}
    try:
        planned = make_plan(named, dataset, settings=settings).recipe
        batch = first_batch(dataset, planned)
    except (DatasetError, ImageError) as error:
        return dataclasses.replace(sheet, notes=(*sheet.notes, f"there is no augmented batch: {error}"))
    height, width = planned.crop
    title = (
        f"Split {planned.split}, augmented by recipe {planned.name}: crops of {width} x {height} pixels as the network "
        "sees them, and beside them with their labels."
    )
    return dataclasses.replace(sheet, batch=tuple(batch), batch_title=title)
