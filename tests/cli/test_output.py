"""Printing for people and for programs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.cli.output import at_commas, bar, print_table
from affectome.errors import UsageError


@pytest.mark.parametrize(
    ("share", "drawn"), [(0, ""), (1, "████"), (0.5, "██"), (0.53, "██▏"), (-1, ""), (7, "████"), (0.001, "")]
)
def test_bar(share, drawn):
    assert bar(share, width=4) == drawn


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_greater_share_never_has_a_shorter_bar(a, b):
    small, great = sorted((a, b))
    assert len(bar(small)) <= len(bar(great)) <= 16


def test_words_between_commas():
    assert at_commas([]) == ()
    assert at_commas(["a, b", "c,", ""]) == ("a", "b", "c")


def test_an_option_without_words():
    with pytest.raises(UsageError) as caught:
        at_commas(["", " , "])
    assert caught.value.code == "empty_list"


def test_a_table_prints_marks_as_they_are(capsys):
    print_table([{"text": "[bold]x[/]", "p": 0.5}], right=["p"])
    assert "[bold]x[/]" in capsys.readouterr().out
