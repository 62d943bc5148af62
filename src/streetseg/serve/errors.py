"""A request that the server refuses."""

from __future__ import annotations


class RefusedError(Exception):
    """A request that cannot be answered. `status` is HTTP's; the message is one line for the client."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(" ".join(message.split()))
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
