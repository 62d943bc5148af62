"""Units: the same files give the same units, and a new file changes few."""

from __future__ import annotations

from streetseg.bulk.items import Item, Segment, Unit, cut


def items(count: int) -> list[Item]:
    return [Item(f"/drive/{number}.png", f"{number}") for number in range(count)]


def keys(units: list[Unit]) -> list[str]:
    return [unit.key for unit in units]


def test_units_hold_all_items_in_order() -> None:
    units = list(cut(items(1000), 64))
    assert [item.number for unit in units for item in unit.items] == [*range(1000)]
    assert max(len(unit.items) for unit in units) <= 64
    assert len(set(keys(units))) == len(units) > 1000 / 64


def test_a_new_file_changes_few_units() -> None:
    before = list(cut(items(2000), 64))
    changed = items(2000)
    changed.insert(700, Item("/drive/new.png", "new"))
    after = list(cut(changed, 64))
    assert len(set(keys(after)) - set(keys(before))) <= 4


def test_a_key_says_what_the_items_are() -> None:
    one = Item("/a.mp4", "a", True, Segment(None, 0, 512, 0))
    other = Item("/a.mp4", "a", True, Segment(512, 512, None, 0))
    assert len(set(keys([*cut([one], 1), *cut([other], 1), *cut([Item("/a.mp4", "a", True)], 1)]))) == 3
    assert keys(list(cut([Item("/\udce4.png", "\udce4")], 1))) != keys(list(cut([Item("/a.png", "a")], 1)))
