"""Show pictures in a window while they are made."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from streetseg.errors import MissingExtraError, UsageError

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")
LARGEST = 0.9  # of the screen's sides


class Window:
    """A window; q, Escape or its button closes it. It belongs to the main thread.

    Args:
        title: Its title.

    Raises:
        UsageError: If there is no screen.
        MissingExtraError: If pygame-ce is not installed.
    """

    def __init__(self, title: str) -> None:
        if sys.platform == "linux" and not any(map(os.environ.get, (*DISPLAYS, "SDL_VIDEODRIVER"))):
            raise UsageError("--show needs a screen, and this machine shows none (DISPLAY is not set); leave it out")
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            import pygame
        except ModuleNotFoundError:
            raise MissingExtraError("pygame-ce", "--show", "show") from None
        self.pygame, self.title = pygame, title
        try:
            pygame.display.init()
        except pygame.error as error:
            raise UsageError(f"--show needs a screen: {error}; leave it out") from None
        self.screen: pygame.Surface | None = None

    def show(self, picture: NDArray[np.uint8]) -> bool:
        """Show a picture; return False once the window is closed. picture: H x W x 3 uint8 RGB."""
        pygame = self.pygame
        height, width = picture.shape[:2]
        if self.screen is None:
            desktop = pygame.display.get_desktop_sizes()[0]
            ratio = min(1.0, LARGEST * desktop[0] / width, LARGEST * desktop[1] / height)
            size = max(1, round(width * ratio)), max(1, round(height * ratio))
            self.screen = pygame.display.set_mode(size, pygame.RESIZABLE)
            pygame.display.set_caption(f"{self.title} - q closes")
        image = pygame.image.frombuffer(np.ascontiguousarray(picture).tobytes(), (width, height), "RGB")
        if image.get_size() != self.screen.get_size():
            image = pygame.transform.smoothscale(image, self.screen.get_size())
        self.screen.blit(image, (0, 0))
        pygame.display.flip()
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                return False
            if event.type == pygame.KEYDOWN and event.key in (pygame.K_q, pygame.K_ESCAPE):
                return False
        return True

    def close(self) -> None:
        """Close the window."""
        self.pygame.display.quit()


@contextmanager
def open_window(title: str) -> Iterator[Window]:
    """Open a window for the block."""
    window = Window(title)
    try:
        yield window
    finally:
        window.close()
