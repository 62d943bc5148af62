"""The errors a user can meet.

Every message names what was given, what is allowed and what to do next, in one line. The command line prints
it without a traceback and exits with the class's `exit_code`. Any other exception that escapes is a bug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streetseg.results import Printable


class StreetsegError(Exception):
    """Base of all errors that the caller can correct. Exit code 2."""

    exit_code = 2


class UsageError(StreetsegError):
    """An argument or option that cannot work: a missing path, an unknown name, a wrong value."""


class ImageError(StreetsegError):
    """An image that cannot be read: not an image, truncated, empty, or too large."""


class VideoError(StreetsegError):
    """A video that cannot be opened, or holds no frame that can be decoded."""


class OutputError(StreetsegError):
    """A place that cannot be written to."""


class ReportError(OutputError):
    """Files about a result that cannot be written. `result` is the result, so that no work is lost."""

    def __init__(self, message: str, result: Printable) -> None:
        super().__init__(message)
        self.result = result


class ArtefactError(StreetsegError):
    """A weights file that is not an artefact, is damaged, cannot be downloaded, or whose card and graph disagree."""


class CheckpointError(StreetsegError):
    """Another code base's checkpoint that is damaged, refused, of unknown origin, or of another network."""


class EngineError(StreetsegError):
    """An engine that is unknown, cannot run here, or cannot run this artefact."""


class DatasetError(StreetsegError):
    """A dataset folder that is incomplete or unreadable, or whose labels contradict its classes."""


class RecipeError(StreetsegError):
    """A recipe or a recipe field that does not exist or has the wrong type."""


class NetworkError(StreetsegError):
    """A network's name that is unknown, or a size that is not a multiple of the network's stride."""


class TrainingError(StreetsegError):
    """A training run that cannot start or go on."""


class MissingExtraError(StreetsegError):
    """An optional dependency that is not installed."""

    def __init__(self, package: str, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed; install it with: pip install 'streetseg[{extra}]'"
            + (" (README: PyTorch's CPU build)" if package == "PyTorch" else "")
        )


class VerificationError(StreetsegError):
    """A check that ran and failed: an export that does not match its network. Exit code 1."""

    exit_code = 1
