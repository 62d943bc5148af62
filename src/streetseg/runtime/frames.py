"""Read and write image files. A frame is uint8 RGB, H x W x 3, C-contiguous, upright.

Reading is strict: a truncated file, or one whose format shows damage, is refused, not patched up with grey. JPEG inside
a TIFF is the exception: it has no strict decoder. Writing is atomic: a file is there whole or not at all. Colour
profiles are not applied.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from streetseg.errors import ImageError, UsageError
from streetseg.runtime.files import write_file

MAX_PIXELS = 100_000_000  # a frame of this size takes 300 MB; more is a mistake or an attack
MAX_PIPED = 8 * MAX_PIXELS  # bytes of an image from a pipe, which may have no end; in a file no pixel takes more than 8

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")

# zlib's fastest level: writing must keep up with the network. Against its default, 6, on CamVid an overlay grows by
# 8 % (to 254 kB at 480 x 360), a class map by 38 % (to 6 kB).
PNG_LEVEL = 1
JPEG_QUALITY = 92
JPEG_MAX_SIDE = 65_500
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")  # of files that we write

EXIF_ORIENTATION = 0x0112
TIFF_BITS, TIFF_PHOTOMETRIC = 0x0102, 0x0106  # BitsPerSample, PhotometricInterpretation
WHITE_IS_ZERO = 0
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


# Reading


def read_frame(path: str | Path) -> NDArray[np.uint8]:
    """Read a frame from an image file: JPEG, PNG, BMP, GIF, PPM, WebP or TIFF, recognised by its content.

    Grey and palette become RGB. 16-bit values keep their high byte. Transparent pixels become black, like the missing
    corners of rectified photos. An EXIF orientation is applied. If the file has several pictures, the first is read.

    Args:
        path: The file, or a pipe.

    Returns:
        H x W x 3 uint8 RGB, C-contiguous, upright.

    Raises:
        ImageError: If the file cannot be read, is not such an image, is truncated or damaged, or has more than
            MAX_PIXELS by its header.
    """
    try:
        with Path(path).open("rb") as file:
            return decode_frame(file if file.seekable() else read_pipe(file, str(path)), str(path))
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ImageError(f"{path} cannot be read: {reason}; give an image file") from None


def read_pipe(pipe: BinaryIO, name: str) -> BinaryIO:
    """Return the content of a pipe (/dev/stdin) as a seekable file: decoders read a file more than once."""
    data = pipe.read(MAX_PIPED + 1)
    if len(data) > MAX_PIPED:
        raise ImageError(f"{name} has more than {MAX_PIPED:,} bytes; give an image file")
    return BytesIO(data)


def decode_frame(file: BinaryIO, name: str) -> NDArray[np.uint8]:
    """Return the frame in an open, seekable file, an upload for instance, as `read_frame` does.

    Args:
        file: The file, at its beginning.
        name: The file's name for the errors.

    Returns:
        H x W x 3 uint8 RGB, C-contiguous, upright.

    Raises:
        ImageError: As `read_frame`.
    """
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
            # Phones and stereo cameras write MPO: JPEGs in a row, of which the first is decoded.
            if image.format in ("JPEG", "MPO"):
                file.seek(0)
                pixels = decode_jpeg(file.read(), image)
            else:
                pixels = as_rgb(image)
            # Read only now: PNG may hold the orientation behind the pixels, and TIFF applies its own on decoding.
            return upright(pixels, *UPRIGHT[orientation_of(image)])
    except ImageError:
        raise
    except Image.DecompressionBombError:
        raise ImageError(too_large(name, "more pixels than can be decoded safely")) from None
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not an image, or its header is damaged; allowed are {', '.join(FORMATS)}"
        ) from None
    except Exception as error:  # Pillow's decoders raise errors of many kinds on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name} cannot be decoded: {reason}; give an undamaged image") from None


def too_large(name: str, given: str) -> str:
    """Return the message about an image with too many pixels."""
    return f"{name} has {given}; at most {MAX_PIXELS:,} are allowed, reduce it first"


def decode_jpeg(data: bytes, image: Image.Image) -> NDArray[np.uint8]:
    """Return a JPEG's pixels, RGB; ValueError if it is damaged in any way.

    image: The same JPEG, opened by Pillow. It decodes only rare layouts of chroma sampling, which the strict decoder
    does not know, because it fills the gaps of a damaged file with grey.
    """
    try:
        simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return as_rgb(image)
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, strict=True)
    return pixels


def as_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Return the pixels of an image of any mode, RGB; ValueError if their range is unknown or damage would not show."""
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
        if tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:  # Pillow inverts only 8 bits
            grey = (1 << bits) - 1 - grey
        return np.repeat((grey >> (bits - 8)).astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        black = Image.new("RGB", image.size)
        image = image.convert("RGBA")
        black.paste(image, mask=image)
        image = black
    return np.array(image.convert("RGB"))


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (upright) if there is none or it is broken."""
    try:
        orientation: int = image.getexif().get(EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block fails in many ways, but the picture is sound
        return 1
    return orientation if orientation in UPRIGHT else 1


def upright(pixels: NDArray[np.uint8], swapped: bool, rows: int, columns: int) -> NDArray[np.uint8]:
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
        frame: H x W x 3 uint8 RGB.

    Raises:
        UsageError: If the name has another suffix, or the frame is too large for a JPEG.
        OutputError: If the place cannot be written to.
    """
    suffix = path.suffix.lower()
    if suffix == ".png":
        write_file(path, encode_png(Image.fromarray(frame)))
    elif suffix in (".jpg", ".jpeg"):
        if max(frame.shape) > JPEG_MAX_SIDE:
            raise UsageError(f"{path}: a JPEG has at most {JPEG_MAX_SIDE} pixels a side; choose a name ending in .png")
        write_file(path, simplejpeg.encode_jpeg(np.ascontiguousarray(frame), quality=JPEG_QUALITY))
    else:
        raise UsageError(f"{path} is not a name for a picture; allowed are names ending in .png, .jpg or .jpeg")


def write_picture(path: Path, frame: NDArray[np.uint8]) -> Path:
    """Write a picture in the format of its suffix; return the file.

    A name without a picture's suffix gets ".jpg", or ".png" if the picture is too large for a JPEG.
    """
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        path = path.with_name(path.name + (".jpg" if max(frame.shape) <= JPEG_MAX_SIDE else ".png"))
    write_image(path, frame)
    return path


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
    image = Image.fromarray(classmap)
    # All 256 entries: a pixel beyond the palette's end would make an invalid file, and Pillow packs the pixels of a
    # short palette into fewer than 8 bits.
    image.putpalette(np.array(colours, np.uint8).tobytes().ljust(3 * 256, b"\0"))
    write_file(path, encode_png(image))


def encode_png(image: Image.Image) -> bytes:
    """Return an image as PNG."""
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()
