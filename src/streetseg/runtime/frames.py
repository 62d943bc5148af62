"""Read and write image files. A frame is uint8 RGB, H x W x 3, C-contiguous, upright.

Reading is strict: a file in which pixels are missing is refused, not patched up with grey; a fault that takes no pixel
is tolerated and said. JPEG inside a TIFF is the exception: it has no strict decoder. Writing is atomic: a file is there
whole or not at all. Colour profiles are not applied.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from streetseg.errors import ImageError, StreetsegError, UsageError
from streetseg.runtime import jpeg
from streetseg.runtime.documents import refuse_special
from streetseg.runtime.files import write_file
from streetseg.runtime.formats import FORMATS, decode_by_extra, foreign_format, refuse_large, too_large
from streetseg.runtime.levels import Levels, levels_of, wide_values
from streetseg.runtime.png import SIGNATURE, missing_bytes, sound_png

MAX_PIXELS = 100_000_000  # a frame of this size takes 300 MB; more is a mistake or an attack
MAX_FILE = 8 * MAX_PIXELS  # bytes of an image file: no pixel takes more than 8, and a pipe may have no end

# zlib's fastest level: writing must keep up with the network. Against its default, 6, on CamVid an overlay grows by
# 8 % (to 254 kB at 480 x 360), a class map by 38 % (to 6 kB).
PNG_LEVEL = 1
JPEG_QUALITY = 92
JPEG_MAX_SIDE = 65_500
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")  # of files that we write

EXIF_ORIENTATION = 0x0112
# Alpha that shows fewer than this share of the pixels, at this value at least, is not meant: the colours count.
VISIBLE, SHOWS = 0.01, 16
FAX = ("tiff_ccitt", "group3", "group4")  # Pillow's names of a TIFF's black and white compressions
# Orientation -> the arguments of `upright`: swap rows and columns first, then the steps along rows and columns.
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


Value = TypeVar("Value", bound=np.generic)


# Reading


@dataclass(frozen=True)
class Picture:
    """A frame from an image file, and what its file says beside its colours.

    Attributes:
        frame: H x W x 3 uint8 RGB, C-contiguous, upright.
        transparent: H x W bool, True where alpha is 0; None if nothing is transparent.
        assumed: What was assumed about its values, a phrase each.
        tolerated: Faults of the file that take no pixel, a phrase each.
    """

    frame: NDArray[np.uint8]
    transparent: NDArray[np.bool_] | None = None
    assumed: tuple[str, ...] = ()
    tolerated: tuple[str, ...] = ()


def read_frame(path: str | Path) -> NDArray[np.uint8]:
    """Read a frame from an image file, recognised by its content.

    JPEG, PNG, BMP, GIF, PPM, WebP, TIFF and AVIF; HEIC and JPEG XL with the extras `heic` and `jxl`. Grey and palette
    become RGB. Transparent pixels become black, like the missing corners of rectified photos; but where alpha hides
    nearly everything, as in pictures of simulators, the colours count. Values of 10, 12 and 14 bits are scaled. An EXIF
    orientation is applied. If the file has several pictures, the first is read.

    Args:
        path: The file, or a pipe below /dev such as /dev/stdin; others may never be written to.

    Returns:
        H x W x 3 uint8 RGB, C-contiguous, upright.

    Raises:
        ImageError: If the file cannot be read, is not such an image, lacks pixels, or has more than MAX_PIXELS by its
            header.
        MissingExtraError: If its format needs an extra that is not installed.
    """
    return read_picture(path).frame


def read_picture(path: str | Path, *, levels: Levels | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read an image file like `read_frame`, with what its file says beside its colours.

    Args:
        path: The file, or a pipe.
        levels: Black and white of values with more than 8 bits; None: by the file, else by its largest value.
        max_pixels: Larger pictures are refused.

    Returns:
        The picture.

    Raises:
        ImageError: As `read_frame`.
        MissingExtraError: As `read_frame`.
    """
    try:
        if not str(path).startswith("/dev/"):
            refuse_special(Path(path))
        with Path(path).open("rb") as file:
            seekable = file if file.seekable() else read_pipe(file, str(path))
            return decode_picture(seekable, str(path), levels=levels, max_pixels=max_pixels)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ImageError(f"{path} cannot be read: {reason}; give an image file") from None


def read_pipe(pipe: BinaryIO, name: str) -> BinaryIO:
    """Return the content of a pipe (/dev/stdin) as a seekable file: decoders read a file more than once."""
    return BytesIO(limited(pipe, name))


def whole(file: BinaryIO, name: str) -> bytes:
    """Return the content of a seekable file from its beginning."""
    file.seek(0)
    return limited(file, name)


def limited(file: BinaryIO, name: str) -> bytes:
    """Return the rest of a file; ImageError if it has more than MAX_FILE bytes."""
    data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise ImageError(f"{name} has more than {MAX_FILE:,} bytes; give an image file")
    return data


def decode_frame(file: BinaryIO, name: str) -> NDArray[np.uint8]:
    """Return the frame in an open, seekable file, an upload for instance, as `read_frame` does.

    Args:
        file: The file, at its beginning.
        name: The file's name for the errors.

    Returns:
        H x W x 3 uint8 RGB, C-contiguous, upright.

    Raises:
        ImageError: As `read_frame`.
        MissingExtraError: As `read_frame`.
    """
    return decode_picture(file, name).frame


def decode_picture(file: BinaryIO, name: str, *, levels: Levels | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return the picture in an open, seekable file; see `read_picture`. name: The file's name for the errors."""
    start = file.read(64)
    if not start:
        raise ImageError(f"{name} is empty (0 bytes); give an image file")
    try:
        with quiet_pillow:
            if (foreign := foreign_format(start)) is not None:
                pixels = decode_by_extra(whole(file, name), foreign, name, max_pixels)
                return Picture(np.ascontiguousarray(pixels))
            assumed: tuple[str, ...] = ()
            tolerated: tuple[str, ...] = ()
            significant = png = None
            if start.startswith(SIGNATURE):
                png = sound_png(whole(file, name))
                significant, tolerated = png.significant_bits, png.remarks
            image = Image.open(file if png is None else BytesIO(png.data), formats=FORMATS)
            refuse_large(image.size, name, max_pixels)
            transparent = None
            # Phones and stereo cameras write MPO: JPEGs in a row, of which the first is decoded.
            if image.format in ("JPEG", "MPO"):
                pixels, tolerated = decode_jpeg(whole(file, name), image)
            else:
                pixels, transparent, assumed = as_rgb(image, levels, significant)
            # Pillow leaves rows black when the compressed pixels end early. Only then are they counted.
            if png is not None and not pixels[-1].any() and (missing := missing_bytes(png)):
                raise ValueError(f"{missing} bytes of its pixels are missing")
            # Read only now: PNG may hold the orientation behind the pixels, and TIFF applies its own on decoding.
            turn = UPRIGHT[orientation_of(image)]
            hidden = None if transparent is None else upright(transparent, *turn)
            return Picture(upright(pixels, *turn), hidden, assumed, tolerated)
    except StreetsegError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(too_large(name, "more pixels than can be decoded safely", max_pixels)) from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not an image, or its header is damaged; allowed are {', '.join(FORMATS)}"
        ) from None
    except Exception as error:  # Pillow's decoders raise errors of many kinds on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name} cannot be decoded: {reason}; give an undamaged image") from None


def decode_jpeg(data: bytes, image: Image.Image) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return a JPEG's pixels, RGB, and what was tolerated; ValueError if pixels are missing.

    image: The same JPEG, opened by Pillow. It decodes only rare layouts of chroma sampling, which the strict decoder
    does not know, because it fills the gaps of a damaged file with grey.
    """
    strict = jpeg.decode(data)
    return (as_rgb(image)[0], ()) if strict is None else strict


def as_rgb(
    image: Image.Image, levels: Levels | None = None, significant_bits: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None, tuple[str, ...]]:
    """Return an image of any mode as RGB, where it is transparent, and what was assumed.

    ValueError if the range of its pixels is unknown, or damage would not show.
    """
    if image.info.get("compression") in FAX:
        raise ValueError("it is compressed as a fax, where damage goes unnoticed; save it as PNG")
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose black and white are not known; save it as 8-bit")
    remarks: list[str] = []
    wide = wide_values(image)
    if wide is not None:
        assumed, told = levels_of(image, wide, significant_bits) if levels is None else (levels, None)
        remarks += [told] if told else []
        pixels = assumed.to_8_bits(wide)
        pixels = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
        alpha = np.asarray(image.getchannel("A")) if image.mode == "RGBA" else None
    else:
        image.load()
        seen = image.has_transparency_data
        pixels = np.array(image.convert("RGBA" if seen else "RGB"))
        pixels, alpha = (np.ascontiguousarray(pixels[..., :3]), pixels[..., 3]) if seen else (pixels, None)
    if alpha is None or alpha.min() == 255:
        return pixels, None, tuple(remarks)
    if np.count_nonzero(alpha >= SHOWS) < VISIBLE * alpha.size:
        return pixels, None, (*remarks, "alpha hides nearly every pixel, so it is not applied")
    return on_black(pixels, alpha), alpha == 0, tuple(remarks)


def on_black(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the pixels as seen on black."""
    picture = Image.new("RGB", (pixels.shape[1], pixels.shape[0]))
    picture.paste(Image.fromarray(pixels), mask=Image.fromarray(alpha))
    return np.array(picture)


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if there is none or it is broken."""
    try:
        orientation: int = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block fails in many ways, but the picture is sound
        return 1
    return orientation if orientation in UPRIGHT else 1


def upright(pixels: NDArray[Value], swapped: bool, rows: int, columns: int) -> NDArray[Value]:
    """Return the pixels turned and mirrored, C-contiguous.

    swapped: Exchange rows and columns first. rows, columns: The steps along them, 1 or -1.
    """
    if swapped:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels[::rows, ::columns])


class QuietPillow:
    """A context in which Pillow's warnings are ignored: the important ones are errors here anyway.

    Several threads may be inside at once. `warnings.catch_warnings` alone then leaves the wrong filters behind.
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
    """Resize a frame, bilinear, antialiased when reducing.

    Args:
        frame: H x W x 3 uint8.
        size: H, W in pixels.

    Returns:
        The frame at that size; the same array if it has that size already.
    """
    height, width = size
    if frame.shape[:2] == size:
        return frame
    return np.array(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))


# Writing


def write_image(path: Path, frame: NDArray[np.uint8]) -> None:
    """Write a frame or an overlay.

    Args:
        path: NAME.png, NAME.jpg or NAME.jpeg.
        frame: H x W x 3 uint8 RGB, or as PNG H x W uint8 grey.

    Raises:
        UsageError: If the name has another suffix, or the frame is too large for a JPEG.
        OutputError: If the place cannot be written to.
    """
    write_file(path, encode_image(path, frame))


def encode_image(path: Path, frame: NDArray[np.uint8]) -> bytes:
    """Return a frame in the format of a file's suffix; UsageError as `write_image`."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        return encode_png(Image.fromarray(frame))
    if suffix in (".jpg", ".jpeg"):
        if max(frame.shape) > JPEG_MAX_SIDE:
            raise UsageError(f"{path}: a JPEG has at most {JPEG_MAX_SIDE} pixels a side; choose a name ending in .png")
        return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality=JPEG_QUALITY))
    raise UsageError(f"{path} is not a name for a picture; allowed are names ending in .png, .jpg or .jpeg")


def write_picture(path: Path, frame: NDArray[np.uint8]) -> Path:
    """Write a picture in the format of its suffix; return the file.

    A name without a picture's suffix gets ".jpg", or ".png" if the picture is too large for a JPEG.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        path = path.with_name(path.name + picture_suffix(frame))
    write_image(path, frame)
    return path


def picture_suffix(frame: NDArray[np.uint8]) -> str:
    """Return ".jpg", or ".png" if the picture is too large for a JPEG."""
    return ".jpg" if max(frame.shape) <= JPEG_MAX_SIDE else ".png"


def write_classmap(path: Path, classmap: NDArray[np.uint8], colours: Sequence[tuple[int, int, int]]) -> None:
    """Write a class map as an 8-bit palette PNG.

    Its pixel values are the class indices, its palette the class colours: a viewer shows the colours, and
    `numpy.asarray(PIL.Image.open(path))` is the class map. Values that are no class (255, ignored) show black.

    Args:
        path: NAME.png.
        classmap: H x W uint8, class indices.
        colours: RGB of the classes, 0 to 255.

    Raises:
        OutputError: If the place cannot be written to.
    """
    write_file(path, encode_classmap(classmap, colours))


def encode_classmap(classmap: NDArray[np.uint8], colours: Sequence[tuple[int, int, int]]) -> bytes:
    """Return a class map as `write_classmap` writes it."""
    image = Image.fromarray(classmap)
    # All 256 entries: a pixel beyond the palette's end would make an invalid file, and Pillow packs the pixels of a
    # short palette into fewer than 8 bits.
    image.putpalette(np.array(colours, np.uint8).tobytes().ljust(3 * 256, b"\0"))
    return encode_png(image)


def encode_png(image: Image.Image) -> bytes:
    """Return an image as PNG."""
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()
