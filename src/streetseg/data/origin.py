"""origin.yaml: what a converted dataset was made from, so that its terms of use are not lost."""

from __future__ import annotations

import dataclasses

import yaml

from streetseg.data.pairs import Dataset, readable
from streetseg.errors import DatasetError
from streetseg.runtime.documents import parse_yaml, read_text

ORIGIN_FILE = "origin.yaml"


def origin_of(dataset: Dataset) -> str:
    """Return the content of origin.yaml for a dataset that is converted."""
    name = readable(dataset.name).removesuffix(" (converted)")
    facts = {
        "name": f"{name} (converted)",
        "terms": readable(dataset.terms),
        "limits": [readable(limit) for limit in dataset.limits],
    }
    return yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=120)


def with_origin(dataset: Dataset) -> Dataset:
    """Return the dataset with the name, terms and limits of its origin.yaml, if its folder has one.

    Raises:
        DatasetError: The file cannot be understood.
    """
    path = dataset.root / ORIGIN_FILE
    try:
        facts = parse_yaml(read_text(path))
        name, terms, limits = str(facts["name"]), str(facts["terms"]), tuple(map(str, facts["limits"]))
    except FileNotFoundError:
        return dataset
    except (OSError, ValueError, LookupError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path} must hold name, terms and limits, as it was written ({reason})") from None
    return dataclasses.replace(dataset, name=name, terms=terms, limits=limits)
