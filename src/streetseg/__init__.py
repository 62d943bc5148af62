"""streetseg: real-time semantic segmentation of road scenes.

    from streetseg import Segmenter
    segmenter = Segmenter.open()
    result = segmenter(frame)  # frame: H x W x 3 uint8 RGB

The names below are loaded at first use, so that `import streetseg` is quick and needs neither an engine nor PyTorch.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streetseg.bench.bulk import BulkSpeed, bench_bulk
    from streetseg.bench.eager import EagerSpeed, bench_eager
    from streetseg.bench.frames import bench
    from streetseg.bench.speed import FrameSpeed
    from streetseg.bench.training import TrainingSpeed, bench_training
    from streetseg.bulk.options import BulkOptions
    from streetseg.bulk.prelabel.report import Prelabelled
    from streetseg.bulk.prelabel.run import prelabel
    from streetseg.bulk.report import BulkReport, BulkStatus
    from streetseg.bulk.run import bulk
    from streetseg.bulk.shards import PackedClassmap, read_classmaps
    from streetseg.data.check import CheckReport, check_dataset
    from streetseg.data.convert import ConvertedDataset, convert_dataset
    from streetseg.data.datasets import open_dataset
    from streetseg.data.init import FoundClasses, init_classes
    from streetseg.data.pairs import Dataset
    from streetseg.data.stats import DatasetStats, dataset_stats
    from streetseg.errors import StreetsegError
    from streetseg.export.convert import Converted, convert
    from streetseg.export.equivalence import Verification, verify
    from streetseg.export.quantize import Quantization, quantize
    from streetseg.export.targets import Export, export
    from streetseg.export.verify_all import Verifications, verify_all
    from streetseg.export.web_server import serve_web
    from streetseg.measure.compare import Comparison, compare
    from streetseg.measure.evaluate import evaluate
    from streetseg.measure.evaluation import Evaluation
    from streetseg.measure.evaluation_json import read_evaluation
    from streetseg.measure.flicker import Flicker, measure_flicker
    from streetseg.measure.pool import pool
    from streetseg.measure.submission import Submission, write_submission
    from streetseg.models.networks import NetworkList, list_networks
    from streetseg.papers.sizes import PaperSizes, paper_sizes
    from streetseg.papers.tables import ComparedTable, paper_tables
    from streetseg.runtime.artefact import read_card
    from streetseg.runtime.card import ModelCard
    from streetseg.runtime.drawing import Drawing
    from streetseg.runtime.engines.options import EngineOptions
    from streetseg.runtime.films import PredictedVideo
    from streetseg.runtime.frames import read_frame
    from streetseg.runtime.image_options import ImageOptions
    from streetseg.runtime.images import PredictedImage
    from streetseg.runtime.predict import Predictions, predict
    from streetseg.runtime.result import Polygon, Result
    from streetseg.runtime.segmenter import Prepared, Segmenter
    from streetseg.runtime.shelf.shelf import WeightList, list_weights
    from streetseg.runtime.video_options import VideoOptions
    from streetseg.serve.server import serve
    from streetseg.serve.settings import ServeLimits, ServeSettings
    from streetseg.streets.datasets import RenderedStreets, render_streets
    from streetseg.training.folds import Fold, Folds, train_folds
    from streetseg.training.rate_finder import LearningRates, find_learning_rate
    from streetseg.training.recipe import Recipe
    from streetseg.training.recipes.recipes import RecipeList, list_recipes
    from streetseg.training.result import TrainingResult
    from streetseg.training.show import DatasetSheet, show_dataset
    from streetseg.training.sweep import Sweep, Trial, sweep
    from streetseg.training.train import train

    __version__: str

__all__ = [
    "BulkOptions",
    "BulkReport",
    "BulkSpeed",
    "BulkStatus",
    "CheckReport",
    "ComparedTable",
    "Comparison",
    "Converted",
    "ConvertedDataset",
    "Dataset",
    "DatasetSheet",
    "DatasetStats",
    "Drawing",
    "EagerSpeed",
    "EngineOptions",
    "Evaluation",
    "Export",
    "Flicker",
    "Fold",
    "Folds",
    "FoundClasses",
    "FrameSpeed",
    "ImageOptions",
    "LearningRates",
    "ModelCard",
    "NetworkList",
    "PackedClassmap",
    "PaperSizes",
    "Polygon",
    "PredictedImage",
    "PredictedVideo",
    "Predictions",
    "Prelabelled",
    "Prepared",
    "Quantization",
    "Recipe",
    "RecipeList",
    "RenderedStreets",
    "Result",
    "Segmenter",
    "ServeLimits",
    "ServeSettings",
    "StreetsegError",
    "Submission",
    "Sweep",
    "TrainingResult",
    "TrainingSpeed",
    "Trial",
    "Verification",
    "Verifications",
    "VideoOptions",
    "WeightList",
    "bench",
    "bench_bulk",
    "bench_eager",
    "bench_training",
    "bulk",
    "check_dataset",
    "compare",
    "convert",
    "convert_dataset",
    "dataset_stats",
    "evaluate",
    "export",
    "find_learning_rate",
    "init_classes",
    "list_networks",
    "list_recipes",
    "list_weights",
    "measure_flicker",
    "open_dataset",
    "paper_sizes",
    "paper_tables",
    "pool",
    "predict",
    "prelabel",
    "quantize",
    "read_card",
    "read_classmaps",
    "read_evaluation",
    "read_frame",
    "render_streets",
    "serve",
    "serve_web",
    "show_dataset",
    "sweep",
    "train",
    "train_folds",
    "verify",
    "verify_all",
    "write_submission",
]

# Public name -> the module that defines it.
HOMES = {
    "BulkOptions": "streetseg.bulk.options",
    "BulkReport": "streetseg.bulk.report",
    "BulkSpeed": "streetseg.bench.bulk",
    "BulkStatus": "streetseg.bulk.report",
    "CheckReport": "streetseg.data.check",
    "ComparedTable": "streetseg.papers.tables",
    "Comparison": "streetseg.measure.compare",
    "Converted": "streetseg.export.convert",
    "ConvertedDataset": "streetseg.data.convert",
    "Dataset": "streetseg.data.pairs",
    "DatasetSheet": "streetseg.training.show",
    "DatasetStats": "streetseg.data.stats",
    "Drawing": "streetseg.runtime.drawing",
    "EagerSpeed": "streetseg.bench.eager",
    "EngineOptions": "streetseg.runtime.engines.options",
    "Evaluation": "streetseg.measure.evaluation",
    "Export": "streetseg.export.targets",
    "Flicker": "streetseg.measure.flicker",
    "Fold": "streetseg.training.folds",
    "Folds": "streetseg.training.folds",
    "FoundClasses": "streetseg.data.init",
    "FrameSpeed": "streetseg.bench.speed",
    "ImageOptions": "streetseg.runtime.image_options",
    "LearningRates": "streetseg.training.rate_finder",
    "ModelCard": "streetseg.runtime.card",
    "NetworkList": "streetseg.models.networks",
    "PackedClassmap": "streetseg.bulk.shards",
    "PaperSizes": "streetseg.papers.sizes",
    "Polygon": "streetseg.runtime.result",
    "PredictedImage": "streetseg.runtime.images",
    "PredictedVideo": "streetseg.runtime.films",
    "Predictions": "streetseg.runtime.predict",
    "Prelabelled": "streetseg.bulk.prelabel.report",
    "Prepared": "streetseg.runtime.segmenter",
    "Quantization": "streetseg.export.quantize",
    "Recipe": "streetseg.training.recipe",
    "RecipeList": "streetseg.training.recipes.recipes",
    "RenderedStreets": "streetseg.streets.datasets",
    "Result": "streetseg.runtime.result",
    "Segmenter": "streetseg.runtime.segmenter",
    "ServeLimits": "streetseg.serve.settings",
    "ServeSettings": "streetseg.serve.settings",
    "StreetsegError": "streetseg.errors",
    "Submission": "streetseg.measure.submission",
    "Sweep": "streetseg.training.sweep",
    "TrainingResult": "streetseg.training.result",
    "TrainingSpeed": "streetseg.bench.training",
    "Trial": "streetseg.training.sweep",
    "Verification": "streetseg.export.equivalence",
    "Verifications": "streetseg.export.verify_all",
    "VideoOptions": "streetseg.runtime.video_options",
    "WeightList": "streetseg.runtime.shelf.shelf",
    "bench": "streetseg.bench.frames",
    "bench_bulk": "streetseg.bench.bulk",
    "bench_eager": "streetseg.bench.eager",
    "bench_training": "streetseg.bench.training",
    "bulk": "streetseg.bulk.run",
    "check_dataset": "streetseg.data.check",
    "compare": "streetseg.measure.compare",
    "convert": "streetseg.export.convert",
    "convert_dataset": "streetseg.data.convert",
    "dataset_stats": "streetseg.data.stats",
    "evaluate": "streetseg.measure.evaluate",
    "export": "streetseg.export.targets",
    "find_learning_rate": "streetseg.training.rate_finder",
    "init_classes": "streetseg.data.init",
    "list_networks": "streetseg.models.networks",
    "list_recipes": "streetseg.training.recipes.recipes",
    "list_weights": "streetseg.runtime.shelf.shelf",
    "measure_flicker": "streetseg.measure.flicker",
    "open_dataset": "streetseg.data.datasets",
    "paper_sizes": "streetseg.papers.sizes",
    "paper_tables": "streetseg.papers.tables",
    "pool": "streetseg.measure.pool",
    "predict": "streetseg.runtime.predict",
    "prelabel": "streetseg.bulk.prelabel.run",
    "quantize": "streetseg.export.quantize",
    "read_card": "streetseg.runtime.artefact",
    "read_classmaps": "streetseg.bulk.shards",
    "read_evaluation": "streetseg.measure.evaluation_json",
    "read_frame": "streetseg.runtime.frames",
    "render_streets": "streetseg.streets.datasets",
    "serve": "streetseg.serve.server",
    "serve_web": "streetseg.export.web_server",
    "show_dataset": "streetseg.training.show",
    "sweep": "streetseg.training.sweep",
    "train": "streetseg.training.train",
    "train_folds": "streetseg.training.folds",
    "verify": "streetseg.export.equivalence",
    "verify_all": "streetseg.export.verify_all",
    "write_submission": "streetseg.measure.submission",
}

WITH_TRAIN = ("torch", "onnx", "onnx_ir", "onnxscript", "onnxruntime", "safetensors")  # come with the extra "train"


class Package(ModuleType):
    """The type of this package, in which a public function takes precedence over a subpackage of the same name.

    `streetseg.export(...)` is the function although `streetseg/export/` is a folder. Imports from that folder still
    work.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (
            name in HOMES and isinstance(value, ModuleType)
        ):  # the import system binds each subpackage it has loaded
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = Package


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # here, for it would slow `import streetseg`

        return version("streetseg")
    if name not in HOMES:
        raise AttributeError(f"module 'streetseg' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in WITH_TRAIN:
            raise
        from streetseg.errors import MissingExtraError

        package = "PyTorch" if error.name == "torch" else error.name
        raise MissingExtraError(package, f"streetseg.{name}", "train") from None


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES])
