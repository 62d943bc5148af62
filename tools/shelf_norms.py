"""Write the norms of the package's artefact, so that training can start from its name without a checkout.

    python tools/shelf_norms.py

Run it after replacing the artefact in `src/streetseg/runtime/weights/`. It reads the unfolded weights in `weights/`.
"""

from __future__ import annotations

from streetseg.export.unfold import write_norms
from streetseg.models.weights import open_weights
from streetseg.runtime.shelf.shelf import PACKAGED, known_weights


def main() -> None:
    """Write NAME.norms.safetensors beside each artefact of the package."""
    for weights in known_weights().values():
        unfolded = weights.unfolded()
        if unfolded is not None and (PACKAGED / weights.file).is_file():
            write_norms(open_weights(unfolded)[0], weights.norms_path())


if __name__ == "__main__":
    main()
