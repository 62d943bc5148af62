"""Tables fit the terminal and lose nothing."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streetseg.results import Facts, Printable, rounded, text_list, text_table

words = st.text("abcdefgh0123456789", min_size=1, max_size=12)
texts = st.lists(words, min_size=0, max_size=4).map(" ".join)
figures = st.floats(-1000, 1000).map("{:.2f}".format)


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    """A header and rows of texts and figures."""
    kinds = draw(st.lists(st.sampled_from([texts, figures]), min_size=1, max_size=12))
    header = [draw(words) for _ in kinds]
    return [header, *([draw(kind) for kind in kinds] for _ in range(draw(st.integers(1, 4))))]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(tables(), st.integers(40, 200))
def test_a_table_fits_and_loses_nothing(rows: list[list[str]], width: int) -> None:
    text = text_table(rows, width=width)
    assert max(map(len, text.splitlines())) <= width
    # Words may fold, and the first column may be repeated.
    assert Counter("".join(cell for row in rows for cell in row).replace(" ", "")) <= Counter("".join(text.split()))


def test_columns_that_do_not_fit_continue_below() -> None:
    rows = [["network", *(f"column_{n}" for n in range(12))], ["ddrnet", *map(str, range(12))]]
    text = text_table(rows, width=80)
    assert text.count("network") == 2
    assert text_table(rows, width=200).count("network") == 1


def test_columns_shrink_no_further_than_their_words() -> None:
    rows = [
        ["artefact", "network sees", "threads", "frames/s in streams", "cold start s", "peak memory MB"],
        ["ddrnet_23_slim_camvid, openvino bfloat16", "272 x 360", "2", "22.9", "3.28", "123"],
    ]
    text = text_table(rows, width=80)
    assert text.splitlines()[-2].split() == ["ddrnet_23_slim_camvid,", "272", "x", "360", "2", "22.9", "3.28", "123"]
    assert max(map(len, text.splitlines())) <= 80


class Two(Printable):
    def facts(self) -> Facts:
        return {"two": 2, "nothing": rounded(float("nan")), "third": rounded(1 / 3)}

    def table(self) -> str:
        return "2 < 3"


def test_a_result_prints_itself() -> None:
    assert Two().to_json() == '{\n  "two": 2,\n  "nothing": null,\n  "third": 0.333333\n}'
    assert Two()._repr_html_() == "<pre>2 &lt; 3</pre>"


def test_sentences_of_a_list_fold_beside_their_names() -> None:
    text = text_list({"a_long_name_of_a_network": "one two three four five", "b": "six"}, width=44)
    assert text.splitlines() == [
        "a_long_name_of_a_network  one two three four",
        "                          five",
        "b                         six",
    ]
