"""The stream of samples: the same whoever makes it, from wherever the samples come."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from streetseg.data.datasets import open_dataset
from streetseg.data.imagenet import open_imagenet
from streetseg.errors import DatasetError
from streetseg.streets.datasets import write_imagenet
from streetseg.training import dataset as module
from streetseg.training.augment import Appearance, Batch, SegmentationViews, augment
from streetseg.training.dataset import (
    DROPOUT,
    LOSS_GRID,
    VIEWS,
    Decoded,
    Sample,
    Samples,
    batches,
    stream_seed,
)
from streetseg.training.tasks.classification import open_images
from streetseg.training.tasks.segmentation import open_samples

CROP = (48, 64)


def stream_from(samples: Samples, step: int, workers: int, seed: int = 0) -> Iterator[Batch]:
    """Return batches of two samples, two a step."""
    appearance = Appearance(flip=0.5, jitter=0.4)
    views = SegmentationViews(crop=CROP, scale=(0.5, 2.0), aspect=1.1, appearance=appearance)
    return batches(samples, views, batch=4, accumulate=2, seed=seed, step=step, workers=workers)


def stream(samples: Samples, step: int, workers: int, count: int = 6) -> list[str]:
    """A hash of each of the next batches, augmented."""
    hashes = []
    for batch in islice(stream_from(samples, step, workers), count):
        frames, labels = augment(batch, CROP)
        hashes.append(hashlib.sha256(frames.numpy().tobytes() + labels.numpy().tobytes()).hexdigest())
    return hashes


def test_the_stream_is_the_same_for_any_workers_and_after_a_restart(camvid: Path) -> None:
    samples = open_samples(open_dataset(camvid), "train", 360, None)
    alone = stream(samples, 0, 0)
    assert len(set(alone)) == len(alone)
    assert stream(samples, 0, 1) == alone
    assert stream(samples, 0, 3) == alone
    assert stream(samples, 2, 3, 2) == alone[4:]  # two parts a step


def test_memory_cache_and_files_give_the_same(camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = stream(open_samples(open_dataset(camvid), "train", 64, None), 0, 0)
    cached = stream(open_samples(open_dataset(camvid), "train", 64, tmp_path), 0, 1)
    monkeypatch.setattr(module, "HELD_IN_MEMORY", 0)
    decoded = stream(open_samples(open_dataset(camvid), "train", 64, None), 0, 3)
    assert held == cached == decoded


def test_what_is_held_in_memory_is_decoded_once(camvid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = open_samples(open_dataset(camvid), "train", 360, None)
    monkeypatch.setattr(Image, "open", None)
    assert len(stream(samples, 0, 0, 12)) == 12


def test_another_seed_shows_other_views(camvid: Path) -> None:
    samples = open_samples(open_dataset(camvid), "train", 360, None)

    def views(seed: int) -> set[tuple[float, float]]:
        (batch,) = islice(stream_from(samples, 0, 0, seed), 1)
        return {(view.scale_x, view.gamma) for view in batch.views}

    assert views(1) == views(1)
    assert not views(1) & views(2)


def test_streams_of_random_numbers_differ_in_the_bits_that_count() -> None:
    """torch's generator on CPUs takes the low 32 bits of a seed."""
    seeds = [
        stream_seed(stream, seed, at) for stream in (VIEWS, DROPOUT, LOSS_GRID) for seed in (0, 1) for at in (0, 9)
    ]
    numbers = [torch.rand((), generator=torch.Generator().manual_seed(seed)).item() for seed in seeds]
    assert len(set(numbers)) == len(seeds)


def test_no_more_is_held_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first sample is no measure of the others."""
    decoded: list[int] = []

    def decode(i: int) -> Sample:
        decoded.append(i)
        side = 10 if i == 0 else 50
        return np.full((side, side, 3), i, np.uint8), np.full((side, side), i, np.uint8)

    everything = 4 * (10**2 + 39 * 50**2)
    for fits, again in ((everything, []), (everything - 1, list(range(40)))):
        monkeypatch.setattr(module, "HELD_IN_MEMORY", fits)
        samples = Decoded(tuple(map(str, range(40))), decode).keep()
        decoded.clear()
        assert [int(samples.read(i)[1][0, 0]) for i in range(40)] == list(range(40))
        assert decoded == again
        assert len(samples.kept) == 40 - len(again)


def test_a_classifiers_images_are_reduced_too(tmp_path: Path) -> None:
    write_imagenet(tmp_path, {"train": 1}, classes=2, size=(96, 128))
    images = open_imagenet(tmp_path)
    assert open_images(images, "train", 24).read(0)[0].shape == (48, 64, 3)
    assert open_images(images, "train", 50).read(0)[0].shape == (96, 128, 3)


def test_frames_of_different_sizes_make_one_batch(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for n, size in enumerate([(40, 90), (70, 60), (120, 100), (96, 128)]):
        for part, shape in (("train", (*size, 3)), ("trainannot", size)):
            (tmp_path / part).mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 11, shape, np.uint8)).save(tmp_path / part / f"0001TP_{n:06d}.png")
    samples = open_samples(open_dataset(tmp_path), "train", 360, None)
    for batch in islice(stream_from(samples, 0, 0), 8):
        frames, labels = augment(batch, CROP)
        assert frames.shape == (2, 3, 48, 64)
        assert (labels < 11).any()


def test_a_split_that_is_not_there_is_named(camvid: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'tran'; there are train, val"):
        open_samples(open_dataset(camvid), "tran", 360, None)
