"""Silence converters that print, from Python and from C++: their output is of use to their own developers only."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard what the block prints, logs and warns of, also from C++. Errors pass as exceptions."""
    disabled = logging.root.manager.disable
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():  # noqa: PTH123 (os.devnull is no path)
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            for descriptor in (1, 2):
                os.dup2(nowhere.fileno(), descriptor)
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                yield
        finally:
            for descriptor, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
            logging.disable(disabled)
