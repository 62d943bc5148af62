"""Keep the results of a unit that is done: its shard if there is one, then its place in the ledger."""

from __future__ import annotations

import dataclasses

from streetseg.bulk.items import Unit
from streetseg.bulk.ledger import Ledger
from streetseg.bulk.places import LocalStore, RemoteStore
from streetseg.bulk.rows import Row
from streetseg.bulk.shards import FOLDER, SUFFIXES, write_shard


def keep(ledger: Ledger, unit: Unit, rows: list[Row], kind: str) -> None:
    """Write the shard of a unit and record the unit; OutputError if that fails.

    kind: "parquet" or "webdataset" for shards; with others the results are there already.
    """
    if kind in SUFFIXES and any(row.runs is not None for row in rows):
        name = f"{FOLDER}/{unit.key}{SUFFIXES[kind]}"
        put_shard(ledger.store, name, kind, rows)
        rows = [row if row.runs is None else dataclasses.replace(row, result=name, runs=None) for row in rows]
    ledger.record(unit, rows)


def put_shard(store: LocalStore | RemoteStore, name: str, kind: str, rows: list[Row]) -> None:
    """Write the class maps of rows to a shard in the output."""
    file = store.scratch()
    try:
        write_shard(file, kind, rows)
    except OSError as error:
        file.unlink(missing_ok=True)
        if isinstance(store, LocalStore):
            raise store.refused(name, error) from None
        raise
    store.take(name, file)
