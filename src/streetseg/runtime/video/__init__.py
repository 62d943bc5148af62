"""Videos and cameras: read, segment, write."""

from streetseg.errors import MissingExtraError

try:
    import av  # noqa: F401  # every module here needs it
except ModuleNotFoundError:
    raise MissingExtraError("PyAV", "video", "video") from None
