"""Target "web": a folder with one page that runs the network in a browser.

The folder holds everything: page, ONNX Runtime Web, artefact, card. Any web server serves it; `serve_web` does on this
machine. Before the folder takes its name, node runs its engine, on the same WebAssembly as a browser's CPU.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from streetseg.errors import UsageError
from streetseg.export.opened import Opened, of_logits
from streetseg.export.options import ExportOptions
from streetseg.export.source import Source
from streetseg.export.verify import TOLERANCE, largest_difference
from streetseg.export.web_node import NodeEngine, find_node
from streetseg.export.web_runtime import write_runtime
from streetseg.export.written import Written
from streetseg.page.files import INDEX, page_files
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.interface import USUAL

OWN = Path(__file__).parent / "web"
ARTEFACT, CARD = "model/model.onnx", "model/card.json"
# In standard deviations of the logits. Engines round int8 in other places: on noise OpenVINO and ONNX Runtime differ
# by 0.2.
INT8_TOLERANCE = 0.5
# Without these headers a browser gives a page no threads. Servers of static pages (Netlify, Cloudflare) read this file.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
# The page says this itself, so that it holds on every server: nothing leaves the folder's own address.
POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; object-src 'none'"
HEAD = '<meta charset="utf-8">'


def write(source: Source, options: ExportOptions, place: Path) -> Written:
    """Write the page's folder, and run its engine in node."""
    if source.card.form != USUAL:
        raise UsageError(
            f"{source.path} has an interface of its own, and the page runs the usual one; export the page from the "
            "artefact that this one was made of"
        )
    write_runtime(place / "runtime")
    (place / "model").mkdir()
    shutil.copyfile(source.artefact, place / ARTEFACT)
    card = dataclasses.replace(
        read_card(source.artefact), accuracy=source.card.accuracy, training_time=source.card.training_time
    )
    (place / CARD).write_text(card.to_json(), encoding="utf-8")
    for name, file in page_files(OWN).items():
        path = place / name
        path.parent.mkdir(exist_ok=True)
        content = file.content.decode()
        if name == INDEX:
            content = content.replace(HEAD, f'{HEAD}\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">')
        path.write_text(content, encoding="utf-8")
    (place / "_headers").write_text("/*\n" + "".join(f"  {name}: {value}\n" for name, value in HEADERS.items()))
    if find_node() is None:
        return Written(card, None, (f"{place.name} was not run, because node is not installed",))
    multiple = card.size_multiple
    engine = NodeEngine(place)
    try:
        difference = largest_difference(
            engine, source.reference, card, sizes=[(3 * multiple, 4 * multiple)], tolerance=tolerance(card)
        )
    finally:
        engine.close()
    return Written(card, difference)


def open_exported(path: Path, options: EngineOptions) -> Opened:
    """Open a page's folder; node runs its engine."""
    card = ModelCard.from_json((path / CARD).read_text(encoding="utf-8"), str(path / CARD))
    precision = "int8" if card.precision == "int8" else "float32"
    return Opened(card, "onnxruntime-web in node", precision, of_logits(NodeEngine(path)))


def tolerance(card: ModelCard) -> float:
    """Return the largest difference of a logit that the artefact's precision explains."""
    return INT8_TOLERANCE if card.precision == "int8" else TOLERANCE
