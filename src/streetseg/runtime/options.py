"""What all objects of options share."""

from __future__ import annotations

import dataclasses


class Options:
    """The base of options that travel together: frozen dataclasses whose fields have defaults."""

    def given(self) -> dict[str, object]:
        """Return the options that are not the defaults.

        Returns:
            Name -> value.
        """
        names = [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]  # subclasses are
        return {name: getattr(self, name) for name in names if getattr(self, name) != getattr(type(self), name)}
