"""Find the image files that a label file names: by a path of another machine, an address, or a name alone."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from streetseg.data.folder_names import meaning_of
from streetseg.errors import DatasetError
from streetseg.runtime.inputs import SUFFIXES, images_below, natural_key

UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts it before the name of an uploaded image


class ImageIndex:
    """The images below a folder, to be found by the paths that label files give.

    A given path may be of another machine, of Windows, or the address of a labelling server: the file is the image of
    the same name whose path ends with the most of the given folders. Case, composed characters (ü) and %20 do not
    matter, nor does a suffix that is missing.

    Args:
        root: The folder.
        labels: A pattern of names of images that are labels; they are left out.
        without: Folders of labels; images below them are left out.
    """

    def __init__(self, root: Path, labels: re.Pattern[str] | None = None, without: Iterable[Path] = ()) -> None:
        self.root = root
        self.by_name: defaultdict[str, list[Path]] = defaultdict(list)
        self.by_stem: defaultdict[str, list[Path]] = defaultdict(list)
        try:
            images = sorted(images_below(root), key=natural_key)
        except OSError as error:
            raise DatasetError(
                f"{error.filename} cannot be searched: {error.strerror}; give a folder that can be read"
            ) from None
        left_out = set(without)
        if left_out:
            images = [path for path in images if left_out.isdisjoint(path.parents)]
        self.images = [path for path in images if not (labels and labels.match(path.name))]
        for path in self.images:
            self.by_name[key(path.name)].append(path)
            self.by_stem[key(path.stem)].append(path)

    def find(self, given: str, near: Iterable[str] = ()) -> Path | None:
        """Return the image that a path names; None if there is none.

        Args:
            given: The path, as a label file gives it.
            near: Names of folders; of several images that fit, one below such a folder is taken.

        Raises:
            DatasetError: Several images fit.
        """
        for path in spellings(given):
            fitting = self.fitting(path)
            if len(fitting) > 1:  # masks may be called as their images
                images = [file for file in fitting if not self.in_masks(file)]
                fitting = images or fitting
            if len(fitting) > 1:
                wanted = {key(name) for name in near}
                below = [file for file in fitting if wanted & {key(part) for part in self.relative(file).parts[:-1]}]
                fitting = below or fitting
            if len(fitting) > 1:
                exact = [file for file in fitting if file.name == PurePosixPath(path).name]
                fitting = exact or fitting
            if len(fitting) > 1:
                raise DatasetError(
                    f"the image {given!r} could be {fitting[0]} or {fitting[1]}; take one away, or give its folder"
                )
            if fitting:
                return fitting[0]
        return None

    def namesakes(self, name: str) -> list[Path]:
        """Return the images of a name, in whatever folder."""
        return self.by_name.get(key(name), [])

    def fitting(self, path: str) -> list[Path]:
        """Return the images of the same name whose folders agree longest with the path's, from the end."""
        parts = [key(part) for part in path.split("/") if part not in ("", ".", "..")]
        if not parts:
            return []
        name = parts[-1]
        candidates = self.by_name.get(name) or (self.by_stem.get(name) if not name.endswith(SUFFIXES) else None) or []
        if len(candidates) < 2:
            return list(candidates)
        agreement: dict[Path, int] = {}
        for file in candidates:
            own = [key(part) for part in self.relative(file).parts[:-1]]
            pairs = zip(reversed(own), reversed(parts[:-1]), strict=False)
            agreement[file] = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(own), len(parts) - 1))
        best = max(agreement.values(), default=0)
        return [file for file, count in agreement.items() if count == best]

    def in_masks(self, path: Path) -> bool:
        """Return True if one of a file's folders is called as masks are."""
        return any(meaning_of(part).role == "masks" for part in self.relative(path).parts[:-1])

    def relative(self, path: Path) -> Path:
        """Return a file's path below the folder."""
        return path.relative_to(self.root)


def key(name: str) -> str:
    """Return a name for comparison: composed characters, no case."""
    return unicodedata.normalize("NFC", name).casefold()


def spellings(given: str) -> Iterable[str]:
    """Yield what a given path may mean, the likeliest first."""
    path = given.replace("\\", "/")
    yield path
    query = parse_qs(urlsplit(path).query) if "?" in path else {}
    if "d" in query:  # Label Studio's local files: /data/local-files/?d=images/f0.jpg
        yield query["d"][0].replace("\\", "/")
    plain = unquote(path.partition("?")[0]).replace("\\", "/")
    yield plain
    folder, _, name = plain.rpartition("/")
    if UPLOAD.match(name):
        yield f"{folder}/{UPLOAD.sub('', name)}"
