"""The ledger: which units are done, by which settings. It makes a run go on where it was killed.

    OUT/.streetseg-bulk/settings.json   what decides the results; another run with other settings is refused
    OUT/.streetseg-bulk/units/KEY.json  the rows of a unit, written once all its results are there
    OUT/.streetseg-bulk/unfinished/     files that are being written; renamed when they are whole

A unit without its file is done again: its results are the same bytes, so nothing is there twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from streetseg.bulk.items import Unit
from streetseg.bulk.places import LEDGER, LocalStore, RemoteStore
from streetseg.bulk.rows import Row, from_bytes, to_bytes
from streetseg.errors import OutputError, UsageError

SETTINGS, UNITS = f"{LEDGER}/settings.json", f"{LEDGER}/units"


class Ledger:
    """The record of a run in its output.

    Args:
        store: The output.
        settings: What decides the results, as JSON's types.

    Raises:
        UsageError: If the output holds results of other settings.
        OutputError: If the output cannot be read or written.
    """

    def __init__(self, store: LocalStore | RemoteStore, settings: Mapping[str, object]) -> None:
        self.store = store
        wished = json.loads(json.dumps(settings))
        there = store.read(SETTINGS)
        if there is None:
            store.write(SETTINGS, json.dumps(wished, indent=2).encode())
        else:
            try:
                check_same(json.loads(there), wished, store.place)
            except ValueError:
                raise OutputError(f"{store.place}/{SETTINGS} is damaged; choose another --out") from None
        self.done = {name.removesuffix(".json") for name in store.names(UNITS) if name.endswith(".json")}

    def record(self, unit: Unit, rows: list[Row]) -> None:
        """Note that a unit is done: all its results are there."""
        self.store.write(f"{UNITS}/{unit.key}.json", to_bytes(rows))

    def rows(self, key: str) -> list[Row]:
        """Return the rows of a unit that is done."""
        data = self.store.read(f"{UNITS}/{key}.json")
        if data is None:
            raise OutputError(f"{self.store.place}/{UNITS}/{key}.json is gone; run the same command again")
        try:
            return from_bytes(data)
        except (ValueError, KeyError, TypeError):
            raise OutputError(
                f"{self.store.place}/{UNITS}/{key}.json is damaged; remove it, then run the same command again"
            ) from None

    def left(
        self, units: Iterable[Unit], retry_errors: bool, keys: list[str], skip: Callable[[int], object]
    ) -> Iterator[Unit]:
        """Yield the units that are not done.

        Args:
            units: All units.
            retry_errors: Yield also those that have errors.
            keys: Gets the keys of all units, in order.
            skip: Gets the number of items in each unit that is left out.
        """
        for unit in units:
            keys.append(unit.key)
            if unit.key in self.done and not (retry_errors and any(row.error for row in self.rows(unit.key))):
                skip(len(unit.items))
                continue
            yield unit


def check_same(there: Mapping[str, object], wished: Mapping[str, object], place: str) -> None:
    """Raise UsageError if the output was made by other settings."""
    different = [
        f"{name} {json.dumps(there.get(name))} there, {json.dumps(value)} here"
        for name, value in wished.items()
        if there.get(name) != value
    ]
    if different:
        raise UsageError(f"{place} holds results of another run: {'; '.join(different)}; choose another --out")
