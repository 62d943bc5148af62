"""Print the content of `shelf.json` for the artefacts in the package and in `weights/`.

    python tools/shelf_entries.py            # print it
    python tools/shelf_entries.py --write    # write it to src/streetseg/runtime/shelf/shelf.json

Run it after adding, replacing or removing `weights/NETWORK_DATA.onnx`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from streetseg.runtime.shelf.shelf import CHECKOUT, PACKAGED, SHELF, shelf_entry


def shelf_text() -> str:
    """Return the whole text of shelf.json for the artefacts that exist."""
    artefacts = sorted([*PACKAGED.glob("*.onnx"), *CHECKOUT.glob("*.onnx")], key=lambda path: path.name)
    weights = [asdict(shelf_entry(path)) for path in artefacts]
    manifest = {"base_url": json.loads(SHELF.read_text())["base_url"], "weights": weights}
    return json.dumps(manifest, indent=2) + "\n"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(
        description="Print the content of shelf.json for the artefacts in the package and in weights/."
    )
    parser.add_argument("--write", action="store_true", help=f"write it to {SHELF} instead")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Print or write the shelf."""
    if parse(arguments).write:
        SHELF.write_text(shelf_text())
    else:
        print(shelf_text(), end="")


if __name__ == "__main__":
    main()
