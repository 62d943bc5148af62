"""Evaluate artefacts for the rows of the papers' tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from streetseg.data.datasets import open_dataset
from streetseg.data.pairs import Dataset
from streetseg.errors import UsageError
from streetseg.measure.frames import evaluate_frames
from streetseg.models.origins import ORIGINS
from streetseg.papers.printed import EvaluationSubject, PaperTable
from streetseg.progress import Progress, silent
from streetseg.runtime.artefact import read_card
from streetseg.runtime.card import ModelCard
from streetseg.runtime.engines.options import EngineOptions
from streetseg.runtime.segmenter import DEFAULT_WEIGHTS, Segmenter
from streetseg.runtime.shelf.shelf import find_weights

Weights = str | Path


def table_mious(
    tables: Sequence[PaperTable],
    data: Dataset | str | Path,
    dataset: str | None = None,
    weights: Sequence[Weights] = (),
    options: EngineOptions | None = None,
    progress: Progress = silent,
) -> dict[EvaluationSubject, float]:
    """Return the mIoU of the weights, 0 to 1, for the rows of those tables that are on the dataset.

    Raises UsageError if all tables are on other datasets, or if weights fit no row or have other classes.
    """
    opened = data if isinstance(data, Dataset) else open_dataset(data, dataset)
    names = ", ".join(table.name for table in tables)
    if not any(table.dataset == opened.kind for table in tables):
        raise UsageError(f"{opened.root} is {opened.kind}, on which {names} is not; leave --data out, or take another")
    subjects = {table.evaluation_subject(row) for table in tables for row in table.rows}
    on_dataset = {subject for subject in subjects if subject is not None and subject.dataset == opened.kind}
    mious: dict[EvaluationSubject, float] = {}
    for artefact, fitting in assign_weights(weights or [DEFAULT_WEIGHTS], on_dataset, names).items():
        segmenter = Segmenter.open(artefact, options=options)
        for split in sorted({subject.split for subject in fitting}):
            miou = split_miou(segmenter, str(artefact), opened, split, progress)
            mious |= {subject: miou for subject in fitting if subject.split == split}
    return mious


def assign_weights(
    weights: Sequence[Weights], subjects: set[EvaluationSubject], names: str
) -> Mapping[Weights, set[EvaluationSubject]]:
    """Return the subjects of each artefact; UsageError if it has none, or shares one with another artefact.

    names: names of the tables, for messages.
    """
    taken: dict[EvaluationSubject, Weights] = {}
    assigned: dict[Weights, set[EvaluationSubject]] = {}
    for artefact in weights:
        card = read_card(find_weights(artefact))
        refuse_ablation(card, artefact)
        about = f"{artefact} is {card.network} at operating scale {card.operating_scale:g}"
        fitting = {
            subject
            for subject in subjects
            if subject.network == card.network and subject.operating_scale in (None, card.operating_scale)
        }
        if not fitting:
            raise UsageError(f"{about}, for which {names} has no row; take other --weights, or another table")
        if both := fitting & taken.keys():
            raise UsageError(f"{about}, and so is {taken[both.pop()]}: a row takes one; leave one of them out")
        taken |= dict.fromkeys(fitting, artefact)
        assigned[artefact] = fitting
    return assigned


def refuse_ablation(card: ModelCard, artefact: Weights) -> None:
    """Raise UsageError for a network with other arguments than its own or its public checkpoints'."""
    usual = [origin.arguments for origin in ORIGINS if card.network in origin.networks and not origin.parts]
    if card.network_arguments and card.network_arguments not in usual:
        raise UsageError(
            f"{artefact} is {card.network} built with {card.network_arguments}, an ablation, whose rows have no "
            "mIoU; take weights of the network itself"
        )


def split_miou(segmenter: Segmenter, artefact: str, dataset: Dataset, split: str, progress: Progress) -> float:
    """Return the mIoU on a split, 0 to 1; UsageError where artefact and dataset have other classes."""
    evaluation = evaluate_frames(
        lambda frame: segmenter(frame).classmap,
        segmenter.card.classes,
        dataset,
        split,
        progress=progress,
    )
    other_names = any(match.by != "name" for match in evaluation.matches)
    if evaluation.left_out or other_names or not evaluation.judged.all():
        raise UsageError(
            f"{artefact} and {dataset.name} have other classes than each other, so no paper's table fits; "
            "take weights with the dataset's classes"
        )
    return evaluation.scores.miou
