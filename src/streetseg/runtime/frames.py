"""From image files to frames and back. A frame is uint8 RGB, H x W x 3, C-contiguous, upright.

Reading is strict: a file that is truncated or that its format shows to be damaged is refused, not patched up with
grey; JPEG inside a TIFF is the exception, for which there is no strict decoder. Writing is atomic: a file is there
whole or not at all. Colour profiles are not applied.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from glob import glob
from io import BytesIO
from pathlib import Path, PurePath
from types import TracebackType
from typing import BinaryIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from streetseg.errors import ImageError, UsageError
from streetseg.runtime.files import write_file

MAX_PIXELS = 100_000_000  # a frame of this size takes 300 MB; more is a mistake or an attack
MAX_PIPED = 8 * MAX_PIXELS  # bytes of an image from a pipe, which may have no end; no pixel takes more than 8 in a file

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".ppm", ".pgm", ".webp", ".tif", ".tiff")

UNREADABLE = (".heic", ".heif", ".avif", ".jp2", ".jxl", ".dng")  # pictures, too, as cameras and phones write them

# What is opened as a video; playlists, so that the refusal says so.
VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".asf",
    ".flv", ".ogv", ".mxf", ".dv", ".ivf", ".mjpeg", ".h264", ".264", ".hevc", ".265",
    ".m3u", ".m3u8", ".mpd", ".sdp", ".concat", ".ffconcat",
)  # fmt: skip

# zlib's fastest level: writing must keep up with the network. Against its default, 6, on CamVid an overlay grows by
# 8 % (to 254 kB at 480 x 360), a class map by 38 % (to 6 kB).
PNG_LEVEL = 1
JPEG_QUALITY = 92
JPEG_MAX_SIDE = 65_500
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")  # what is written
# How the names of an image's results end; what an overlay is written as follows.
CLASSMAP_ENDING, OVERLAY_ENDING = "_classes.png", "_overlay"

EXIF_ORIENTATION = 0x0112
TIFF_BITS, TIFF_PHOTOMETRIC = 0x0102, 0x0106  # BitsPerSample, PhotometricInterpretation
WHITE_IS_ZERO = 0
FAX = ("tiff_ccitt", "group3", "group4")  # Pillow's names of a TIFF's black and white compressions
# How each orientation becomes upright: rows and columns swapped?, then the steps along rows and columns.
UPRIGHT = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}


# Reading


def read_frame(path: str | Path) -> NDArray[np.uint8]:
    """The frame in an image file: JPEG, PNG, BMP, GIF, PPM, WebP or TIFF, told by its content.

    Grey and palette become RGB; 16-bit values keep their high byte; transparency lies over black, which is how the
    missing corners of rectified photos look; an EXIF orientation is applied; of several pictures the first counts.

    Raises ImageError if the file cannot be read, is no such image, is truncated or damaged, or has more than
    MAX_PIXELS; the size is known from the header, before anything is decoded.
    """
    try:
        with Path(path).open("rb") as file:
            return decode_frame(file if file.seekable() else read_pipe(file, str(path)), str(path))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ImageError(f"{path} cannot be read: {reason}; give an image file") from None


def read_pipe(pipe: BinaryIO, name: str) -> BinaryIO:
    """What comes out of a pipe (/dev/stdin, say), which cannot be sought: decoders look at a file more than once."""
    data = pipe.read(MAX_PIPED + 1)
    if len(data) > MAX_PIPED:
        raise ImageError(f"{name} has more than {MAX_PIPED:,} bytes; give an image file")
    return BytesIO(data)


def decode_frame(file: BinaryIO, name: str) -> NDArray[np.uint8]:
    """The frame in an open, seekable file (an upload, say), as `read_frame` gives it; `name` is for the errors."""
    if not file.read(1):
        raise ImageError(f"{name} is empty (0 bytes); give an image file")
    try:
        with quiet_pillow:
            image = Image.open(file, formats=FORMATS)
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(too_large(name, f"{image.width} x {image.height} pixels"))
            if image.format == "PNG":
                # Pillow checks the pixels' checksums only on demand, and an image so checked cannot be decoded.
                image.verify()
                image = Image.open(file, formats=FORMATS)
            # MPO is what phones and stereo cameras write: JPEGs in a row, of which the first is decoded.
            if image.format in ("JPEG", "MPO"):
                file.seek(0)
                pixels = decode_jpeg(file.read(), image)
            else:
                pixels = as_rgb(image)
            # Asked only now: PNG may hold the orientation behind the pixels, and TIFF applies its own on decoding.
            return upright(pixels, *UPRIGHT[orientation_of(image)])
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(too_large(name, "more pixels than can be decoded safely")) from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not an image, or its header is damaged; allowed are {', '.join(FORMATS)}"
        ) from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them stumble over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name} cannot be decoded: {reason}; give an undamaged image") from None


def too_large(name: str, given: str) -> str:
    return f"{name} has {given}; at most {MAX_PIXELS:,} are allowed, reduce it first"


def decode_jpeg(data: bytes, image: Image.Image) -> NDArray[np.uint8]:
    """A JPEG's pixels, RGB; ValueError if it is damaged in any way.

    image: the same JPEG, opened. Pillow fills gaps with grey where a damaged file still ends properly, so it decodes
    only what the strict decoder does not know: rare layouts of chroma sampling.
    """
    try:
        simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return as_rgb(image)
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, strict=True)
    return pixels


def as_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of an image of any mode, RGB; ValueError where their range is unknown or damage would not show."""
    if image.info.get("compression") in FAX:
        raise ValueError("it is compressed as a fax, where damage goes unnoticed; save it as PNG")
    image.load()
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose black and white are not known; save it as 8-bit")
    if image.mode.startswith("I"):  # 16-bit grey; in some formats Pillow holds it in 32 bits
        grey = np.asarray(image)
        tags = getattr(image, "tag_v2", {})
        bits = min(16, tags.get(TIFF_BITS, (16,))[0])  # TIFF has grey of 12 bits, too
        if grey.min() < 0 or grey.max() > 0xFFFF:
            raise ValueError("its grey values leave the range of 16 bits, 0 to 65535; save it as 8-bit")
        if tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow turns only 8 bits round
            grey = (1 << bits) - 1 - grey
        return np.repeat((grey >> (bits - 8)).astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        black = Image.new("RGB", image.size)
        image = image.convert("RGBA")
        black.paste(image, mask=image)
        image = black
    return np.array(image.convert("RGB"))


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1, upright, where there is none or it is broken."""
    try:
        orientation: int = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block is no reason to refuse a sound picture, and fails in many ways
        return 1
    return orientation if orientation in UPRIGHT else 1


def upright(pixels: NDArray[np.uint8], swapped: bool, rows: int, columns: int) -> NDArray[np.uint8]:
    """The pixels turned and mirrored, C-contiguous. swapped: rows and columns change places, before their steps, 1 or
    -1, are taken."""
    if swapped:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[::rows, ::columns])


class QuietPillow:
    """While any thread is inside, Pillow's warnings are ignored: what matters in them is an error here anyway.

    `warnings.catch_warnings` alone will not do: when threads overlap, it leaves the wrong filters behind.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.filters = warnings.catch_warnings()
                self.filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self.inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.filters.__exit__(kind, error, trace)


quiet_pillow = QuietPillow()


def resize(frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The frame at size (H, W), bilinear, antialiased when reducing; the same array if that is its size already."""
    height, width = size
    if frame.shape[:2] == size:
        return frame
    return np.array(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))


# Finding


def is_live(source: str) -> bool:
    """Whether frames come at their own pace: from a camera or a network stream."""
    return source.startswith(("/dev/video", "/dev/v4l/", "rtsp://", "rtsps://"))


def is_video(source: str) -> bool:
    """Whether a path or address is for `runtime/video.py`, as far as its name says."""
    return is_live(source) or (source.lower().endswith(VIDEO_SUFFIXES) and not Path(source).is_dir())


def without_password(source: str) -> str:
    """A source as it may be shown: a network camera's address without the user and password in it."""
    return re.sub(r"^(rtsps?://)[^/]*@", r"\1", source)


@dataclass(frozen=True)
class ImageFile:
    """An image to read.

    name: where its outputs belong below the output folder, still without a suffix; unique among the images listed
        with it. It may hold dots of its own, so a suffix is appended, never replaced: see `output`.
    """

    path: Path
    name: PurePath

    def output(self, folder: Path, suffix: str) -> Path:
        """The file below `folder` for an output of this image; suffix: ".png", "_overlay.jpg" and the like."""
        return folder / self.name.parent / (self.name.name + suffix)


def list_images(
    patterns: Iterable[str | Path], results: Path | None = None, tell: Callable[[str], object] = lambda line: None
) -> list[ImageFile]:
    """The images that the user means, each once, in natural order (frame2 before frame10).

    patterns: image files, folders (searched to the bottom for SUFFIXES, linked folders too, without hidden files) and
        glob patterns, which the shell need not have expanded. Searches leave out what `is_result` knows.
    results: the folder that results go to. Where it lies in a folder that is searched, what it holds is left out.
    tell: is told in a line of pictures and videos that a search passed over, for they are no images that can be read.

    An image in a given folder is named by its path relative to that folder, any other by its bare name; namesakes
    take on as many of their parent folders as it takes to tell them apart, or, in one folder, their suffix: the files
    a.jpg and a.png give the names "a.jpg" and "a.png".

    Raises UsageError for what is not there, cannot be searched, or holds no image.
    """
    found: dict[Path, tuple[Path, int]] = {}  # true location -> path as given, parts of it that make its name
    for pattern in patterns:
        try:
            for path, depth in expand(pattern, results, tell):
                found.setdefault(path.parent.resolve() / path.name, (path, depth))
        except OSError as error:
            raise UsageError(f"{error.filename or pattern} cannot be searched: {error.strerror}") from None
        except RuntimeError as error:  # Python 3.11 and 3.12 say so of a link that leads to itself
            raise UsageError(f"{pattern} cannot be searched: {error}; give another path") from None
    names = distinct_names({location: depth for location, (_, depth) in found.items()})
    images = [ImageFile(path, names[location]) for location, (path, _) in found.items()]
    return sorted(images, key=lambda image: natural_key(image.path))


def expand(pattern: str | Path, results: Path | None, tell: Callable[[str], object]) -> list[tuple[Path, int]]:
    """The image files behind one pattern, each with the number of its last parts that make its name."""
    if not str(pattern):  # a shell's variable that is not set; as a Path it is the whole current folder
        raise UsageError("a path is empty; give an image, a folder, or a pattern such as 'frames/*.png'")
    given = Path(pattern)
    # Not Path.glob: it takes no absolute pattern and finds hidden files.
    matches = [given] if given.exists() else [Path(match) for match in glob(str(pattern), recursive=True)]  # noqa: PTH207
    if not matches:
        raise UsageError(f"{pattern} is not there; give an image, a folder, or a pattern such as 'frames/*.png'")
    found: list[tuple[Path, int]] = []
    passed_over: Counter[str] = Counter()
    for match in matches:
        searched = files_below(match, results) if match.is_dir() else [match]
        for path in searched:
            depth = len(path.relative_to(match).parts) or 1
            suffix = path.suffix.lower()
            if (match == given and path == match) or (suffix in SUFFIXES and not is_result(path)):
                found.append((path, depth))
            elif suffix in UNREADABLE + VIDEO_SUFFIXES:
                passed_over[suffix] += 1
    others = ", ".join(f"{count} {suffix}" for suffix, count in sorted(passed_over.items()))
    advice = "save such pictures as JPEG or PNG, name a video itself"
    if not found:
        looked_for = f"looked for files ending in {', '.join(SUFFIXES)}"
        raise UsageError(
            f"{pattern} holds no image; " + (f"passed over: {others}; {advice}" if passed_over else looked_for)
        )
    if passed_over:
        tell(f"note: {pattern}: passed over: {others}; {advice}")
    return found


def is_result(path: Path) -> bool:
    """Whether a file is of the pair that `streetseg predict` writes for an image: its class map and overlay."""
    overlays = [OVERLAY_ENDING + suffix for suffix in (".jpg", ".png")]
    for endings, others in (([CLASSMAP_ENDING], overlays), (overlays, [CLASSMAP_ENDING])):
        for ending in endings:
            if path.name.endswith(ending):
                stem = path.name.removesuffix(ending)
                return any(path.with_name(stem + other).exists() for other in others)
    return False


def images_below(folder: Path) -> Iterable[Path]:
    """The image files in a folder and its subfolders, as `files_below` gives them."""
    return (path for path in files_below(folder) if path.suffix.lower() in SUFFIXES)


def files_below(folder: Path, without: Path | None = None) -> Iterable[Path]:
    """The files in a folder and its subfolders, linked ones too, hidden ones and the subfolder `without` left out;
    OSError if one cannot be searched."""
    left_out = without and without.resolve()
    ways = {folder: {folder.resolve()}}  # folder -> the true places on the way to it: a link back to one ends nowhere

    def refuse(error: OSError) -> None:
        raise error

    for root, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        way = ways.pop(Path(root))
        places = {name: Path(root, name).resolve() for name in sorted(folders) if not name.startswith(".")}
        folders[:] = [name for name, place in places.items() if place not in way and place != left_out]
        ways |= {Path(root, name): way | {places[name]} for name in folders}
        yield from (Path(root, name) for name in files if not name.startswith("."))


def distinct_names(depths: dict[Path, int]) -> dict[Path, PurePath]:
    """A name of its own for each file, without its suffix where that is enough.

    depths: absolute path -> number of its last parts to begin with.
    """
    depths = dict(depths)
    with_suffix: set[Path] = set()
    while True:
        names: dict[Path, PurePath] = {}
        namesakes: defaultdict[PurePath, list[Path]] = defaultdict(list)
        for path, depth in depths.items():
            # The drive counts as a folder, so that the same path on two drives has two names.
            drive = re.sub(r"\W", "", path.anchor)
            parts = (*filter(None, [drive]), *path.parts[1:-1], path.name if path in with_suffix else path.stem)
            name = names[path] = PurePath(*parts[-depth:])
            # A.png and a.jpg would be one result where file names have no case; A.png and a.png cannot both be there.
            key = name if path in with_suffix else name.with_name(name.name.casefold())
            namesakes[key].append(path)
        if len(namesakes) == len(depths):
            return names
        for group in namesakes.values():
            if len(group) == 1:
                continue
            folders = Counter(path.parent for path in group)
            for path in group:
                if folders[path.parent] > 1:
                    with_suffix.add(path)
                else:
                    depths[path] += 1


def natural_key(path: Path) -> tuple[list[list[str | int]], str]:
    """Sorts numbers in names by their value; the plain path settles what that leaves equal (1.png, 01.png)."""
    # Split at its groups of digits, a name alternates text and number, so like meets like in comparisons.
    parts = [re.split(r"(\d+)", part.casefold()) for part in path.parts]
    return [[int(piece) if i % 2 else piece for i, piece in enumerate(part)] for part in parts], str(path)


# Writing


def write_image(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write a frame or an overlay, uint8 H x W x 3, as PNG or JPEG by the suffix of `path`.

    Raises UsageError for another suffix, OutputError if the place cannot be written to.
    """
    suffix = path.suffix.lower()
    if suffix == ".png":
        write_file(path, encode_png(Image.fromarray(frame)))
    elif suffix in (".jpg", ".jpeg"):
        if max(frame.shape) > JPEG_MAX_SIDE:
            raise UsageError(f"{path}: a JPEG has at most {JPEG_MAX_SIDE} pixels a side; choose a name ending in .png")
        write_file(path, simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality=JPEG_QUALITY))
    else:
        raise UsageError(f"{path} is no name for a picture; allowed are names ending in .png, .jpg or .jpeg")


def write_picture(path: Path, frame: NDArray[np.uint8]) -> Path:
    """Write a picture by its name's suffix; a name without a picture's gets ".jpg", or ".png" where it is too large for
    a JPEG. Returns the file."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        path = path.with_name(path.name + (".jpg" if max(frame.shape) <= JPEG_MAX_SIDE else ".png"))
    write_image(path, frame)
    return path


def write_classmap(path: Path, classmap: NDArray[np.uint8], colours: Sequence[tuple[int, int, int]]) -> None:
    """Write a class map, uint8 H x W, as an 8-bit palette PNG.

    Its pixel values are the class indices, its palette the class colours: a viewer shows the colours, and
    `numpy.asarray(PIL.Image.open(path))` is the class map. Values that are no class (255, ignored) show black.
    Raises OutputError if the place cannot be written to.
    """
    image = Image.fromarray(classmap)
    # All 256 entries: a pixel beyond the palette's end would make an invalid file, and Pillow packs the pixels of a
    # short palette into fewer than 8 bits.
    image.putpalette(np.array(colours, np.uint8).tobytes().ljust(3 * 256, b"\0"))
    write_file(path, encode_png(image))


def encode_png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()
