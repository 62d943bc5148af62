"""Write the norms of the package's artefact, so that training can start from its name without a checkout.

    python tools/shelf_norms.py

Run it after replacing the artefact in `src/streetseg/runtime/weights/`. It reads the unfolded weights in `weights/`.
"""

from __future__ import annotations

import argparse

from streetseg.export.unfold import write_norms
from streetseg.models.weights import open_weights
from streetseg.runtime.shelf.shelf import PACKAGED, known_weights


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options of the command; there are none but --help."""
    return argparse.ArgumentParser(description="Write the norms of the package's artefact.").parse_args(arguments)


def main() -> None:
    """Write NAME.norms.safetensors beside each artefact of the package."""
    parse()
    for weights in known_weights().values():
        unfolded = weights.unfolded()
        if unfolded is not None and (PACKAGED / weights.file).is_file():
            write_norms(open_weights(unfolded)[0], weights.norms_path())


if __name__ == "__main__":
    main()
