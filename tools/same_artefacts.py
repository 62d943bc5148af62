"""Export trained weights anew and compare the artefacts' content hashes with the shipped ones.

    python tools/same_artefacts.py                            # all of weights/*.safetensors
    python tools/same_artefacts.py weights/NAME.safetensors   # some of them

Prints a line for each file: the content hash of its artefact, and the shipped artefact with the same hash. Exit code 1
if no shipped artefact has it. Run it after a change of a network, of the exporter or of PyTorch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from streetseg import export, read_card
from streetseg.runtime.shelf.shelf import CHECKOUT, PACKAGED


def shipped_hashes() -> dict[str, str]:
    """Return content hash -> file name of the shipped artefacts."""
    artefacts = [*PACKAGED.glob("*.onnx"), *CHECKOUT.glob("*.onnx")]
    return {read_card(artefact).content_hash: artefact.name for artefact in artefacts}


def exported_hash(weights: Path) -> str:
    """Return the content hash of the artefact that these weights give."""
    with tempfile.TemporaryDirectory() as folder:
        return export(weights, out=Path(folder) / f"{weights.stem}.onnx").card.content_hash


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each file; return 1 if one differs from the shipped ones, else 0."""
    parser = argparse.ArgumentParser(description="Export weights and compare the content hashes with the shipped ones.")
    parser.add_argument("weights", nargs="*", type=Path, help="NAME.safetensors (default: all of weights/)")
    shipped = shipped_hashes()
    failed = False
    for weights in parser.parse_args(arguments).weights or sorted(CHECKOUT.glob("*.safetensors")):
        digest = exported_hash(weights)
        failed |= digest not in shipped
        print(
            f"{weights.name}: {digest}, {f'as shipped: {shipped[digest]}' if digest in shipped else 'NOT as shipped'}"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
