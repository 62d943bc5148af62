"""Name the results of films and cameras, and segment one after the other."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from streetseg.errors import StreetsegError, UsageError
from streetseg.progress import Progress
from streetseg.results import Facts, Printable
from streetseg.runtime.addresses import is_live, without_password
from streetseg.runtime.drawing import Drawing
from streetseg.runtime.files import names_file, same_file
from streetseg.runtime.inputs import (
    PLAYLISTS,
    VIDEO_SUFFIXES,
    distinct_names,
    files_below,
    images_below,
    is_video,
    natural_key,
)
from streetseg.runtime.segmenter import Segmenter
from streetseg.runtime.video_options import VideoOptions

if TYPE_CHECKING:
    from streetseg.runtime.video.segment import VideoReport

OVERLAY = "_overlay"  # at the end of the name of a film's overlay


@dataclass(frozen=True, repr=False)
class PredictedVideo(Printable):
    """A segmented video.

    Attributes:
        video: The source, without a user and password in it.
        overlay: The file of the overlay; None if none was wished.
        report: Size, frames and seconds; and the damaged, missing and dropped frames.
    """

    video: str
    overlay: Path | None
    report: VideoReport

    @property
    def frames_per_second(self) -> float:
        """Return the segmented frames per second, decoding and writing included.

        Returns:
            The rate.
        """
        return self.report.frames / self.report.seconds

    def facts(self) -> Facts:
        """Return the figures as JSON's types.

        Returns:
            "video", "overlay", the report's fields, "frames_per_second".
        """
        return {
            "video": self.video,
            "overlay": None if self.overlay is None else str(self.overlay),
            **dataclasses.asdict(self.report),
            "frames_per_second": round(self.frames_per_second, 2),
        }

    def table(self) -> str:
        """Return the figures as text for a terminal.

        Returns:
            One line: size, frames, seconds, frames a second, overlay.
        """
        report = self.report
        dropped = f", {report.dropped} late ones dropped" if report.live else ""
        return (
            f"{self.video}: {report.width} x {report.height}; {report.frames} frames in {report.seconds:.1f} s, "
            f"{self.frames_per_second:.1f} a second{dropped}" + (f"; {self.overlay}" if self.overlay else "")
        )


@dataclass(frozen=True)
class FailedVideo:
    """A video that could not be segmented, while others could.

    Attributes:
        video: The source, without a user and password in it.
        error: The cause.
    """

    video: str
    error: StreetsegError


@dataclass(frozen=True)
class Film:
    """A film or a camera to segment, and the places of its results.

    Attributes:
        source: A video file, a camera or an address.
        overlay: The file of the overlay; None: no overlay.
        classmap: The file or the folder of the class maps; None: no class maps.
    """

    source: str
    overlay: Path | None
    classmap: Path | None = None

    def is_done(self) -> bool:
        """Return True if the results are there; the overlay stands for class maps in a folder."""
        files = [path for path in (self.overlay, self.classmap) if path is not None and path.suffix]
        return bool(files) and all(path.exists() for path in files)


def split_films(sources: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the videos and cameras among the sources, and the other sources.

    A pattern and a folder without images give their videos.
    """
    films: list[str] = []
    others: list[str] = []
    for source in sources:
        given = Path(source)
        # Not Path.glob: it takes no absolute pattern.
        matches = [] if is_live(source) or given.exists() else [Path(match) for match in glob(source, recursive=True)]  # noqa: PTH207
        if matches:
            found = films_among(matches)
            films += found
            if len(found) < sum(not is_overlay(match, set(matches)) for match in matches):
                others.append(source)
        elif is_video(source):
            films.append(source)
        elif given.is_dir() and not any(True for _ in images_below(given)):
            found = films_among(files_below(given))
            films += found
            others += [] if found else [source]
        else:
            others.append(source)
    return list(dict.fromkeys(films)), others


def films_among(paths: Iterable[Path]) -> list[str]:
    """Return the videos among files, in natural order, without the overlays of others."""
    videos = [path for path in paths if path.suffix.lower() in VIDEO_SUFFIXES and path.suffix.lower() not in PLAYLISTS]
    there = set(videos)
    return [str(path) for path in sorted(videos, key=natural_key) if path.is_file() and not is_overlay(path, there)]


def is_overlay(path: Path, others: set[Path]) -> bool:
    """Return True if a video is the overlay of another one."""
    stem = path.stem.removesuffix(OVERLAY)
    return stem != path.stem and any(other.parent == path.parent and other.stem == stem for other in others)


def plan_films(
    sources: Sequence[str], out: str | None, classmap: str | None, options: VideoOptions, *, alone: bool
) -> list[Film]:
    """Return the films with the places of their results.

    Args:
        sources: Videos, cameras and addresses.
        out: A folder; or a file, for one film alone; None: no overlays.
        classmap: The place of the class maps, in which {name} stands for the film's name. A folder without {name} gets
            a folder for each film unless one is alone. None: no class maps.
        options: Has the codec, which not every container holds.
        alone: True if one film is all there is to do.

    Raises:
        UsageError: If `out` is a file for several films, or a result would replace a film.
    """
    if out is not None and alone and names_file(out):
        films = [Film(sources[0], Path(out), place(classmap, Path(out).stem, alone=True))]
    elif out is not None and names_file(out):
        raise UsageError(
            f"--out {out} names a file, but there is more than one film or image; give a folder, with a slash at its "
            "end if its name has a dot"
        )
    else:
        names = film_names(sources)
        films = [
            Film(
                source,
                None if out is None else Path(out, f"{names[source]}{OVERLAY}{suffix_of(source, options)}"),
                place(classmap, names[source], alone=alone),
            )
            for source in sources
        ]
    for film in films:
        for source in sources:
            if len(films) > 1 and film.overlay and not is_live(source) and same_file(film.overlay, Path(source)):
                raise UsageError(f"{source} is to be segmented, and a result would replace it; choose another --out")
    return films


def suffix_of(source: str, options: VideoOptions) -> str:
    """Return the suffix of an overlay whose name the user leaves to us."""
    # An interrupted Matroska file can be read up to its last frame. It alone holds all codecs.
    matroska = is_live(source) or options.codec == "ffv1" or options.absolute_times
    return ".mkv" if matroska else ".mp4"


def place(classmap: str | None, name: str, *, alone: bool) -> Path | None:
    """Return the place of a film's class maps."""
    if classmap is None:
        return None
    if "{name}" in classmap:
        return Path(classmap.replace("{name}", name))
    if not alone and names_file(classmap):
        raise UsageError(
            f"--classmap {classmap} is one file for several films; write {{name}} into it, or give a folder"
        )
    return Path(classmap) if alone else Path(classmap, name)


def film_names(sources: Sequence[str]) -> dict[str, str]:
    """Return a distinct name for each source: a file's own, or the camera's with the time."""
    files = {Path(source).parent.resolve() / Path(source).name: source for source in sources if not is_live(source)}
    names = {files[path]: str(name) for path, name in distinct_names(dict.fromkeys(files, 1)).items()}
    return names | {source: live_name(source) for source in sources if is_live(source)}


def live_name(source: str) -> str:
    """Return a name for a recording from camera and time, so that the next recording does not replace it."""
    camera = without_password(source).removeprefix("/dev/").rpartition("://")[2].partition("?")[0]
    camera = f"video{int(camera)}" if camera.isascii() and camera.isdigit() else camera
    return re.sub(r"[^\w.-]+", "_", camera) + time.strftime("_%Y%m%d-%H%M%S")


def predict_films(
    segmenter: Segmenter,
    films: Sequence[Film],
    *,
    every: int,
    max_frames: int | None,
    options: VideoOptions,
    drawing: Drawing,
    alone: bool,
    each: Callable[[PredictedVideo | FailedVideo], object],
    tell: Callable[[str], object],
    progress: Progress,
) -> list[PredictedVideo | FailedVideo]:
    """Segment films one after the other; give each to `each` as soon as it is done. An interrupt ends all.

    Raises:
        StreetsegError: If the one film that is alone fails. Of several, each failure is returned.
    """
    from streetseg.runtime.video.segment import segment_video  # needs PyAV

    done: list[PredictedVideo | FailedVideo] = []
    for film in films:
        shown = without_password(film.source)
        try:
            report = segment_video(
                segmenter,
                film.source,
                film.overlay,
                film.classmap,
                every=every,
                max_frames=max_frames,
                options=options,
                drawing=drawing,
                tell=tell,
                progress=progress,
            )
            done.append(PredictedVideo(shown, film.overlay, report))
        except StreetsegError as error:
            if alone:
                raise
            done.append(FailedVideo(shown, error))
        each(done[-1])
        if isinstance(done[-1], PredictedVideo) and done[-1].report.interrupted:
            break
    return done
