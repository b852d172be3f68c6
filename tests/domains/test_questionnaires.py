"""Totals and grades at every edge."""

import numpy as np
import pytest

from affectome.domains.questionnaires import load_questionnaire
from affectome.errors import UsageError

EDGES = {
    "phq8": [(0, "minimal"), (4, "minimal"), (5, "mild"), (9, "mild"), (10, "moderate"), (14, "moderate"),
             (15, "moderately severe"), (19, "moderately severe"), (20, "severe"), (24, "severe")],
    "phq9": [(4, "minimal"), (5, "mild"), (9, "mild"), (10, "moderate"), (14, "moderate"),
             (15, "moderately severe"), (19, "moderately severe"), (20, "severe"), (27, "severe")],
    "gad7": [(0, "minimal"), (4, "minimal"), (5, "mild"), (9, "mild"), (10, "moderate"), (14, "moderate"),
             (15, "severe"), (21, "severe")],
    "pcl5": [(0, "low"), (20, "low"), (21, "medium"), (40, "medium"), (41, "high"), (80, "high")],
}  # fmt: skip


@pytest.mark.parametrize(("name", "total", "grade"), [(name, *edge) for name, edges in EDGES.items() for edge in edges])
def test_edges(name, total, grade):
    questionnaire = load_questionnaire(name)
    assert questionnaire.levels[questionnaire.grade(total)] == grade


def test_totals():
    phq8 = load_questionnaire("phq8")
    assert phq8.total([0, 1, 2, 3, 0, 1, 2, 3]) == 12
    assert phq8.grade([[0, 24], [9, 10]]).tolist() == [[0, 4], [1, 2]]


@pytest.mark.parametrize(
    "answers", [[], [0] * 7, [0] * 9, [0] * 7 + [4], [0] * 7 + [-1], [0.5] * 8, "01230123"], ids=str
)
def test_answers_that_are_none(answers):
    with pytest.raises(UsageError, match="8 answers"):
        load_questionnaire("phq8").total(answers)


@pytest.mark.parametrize("total", [-1, 25, 3.5, np.nan, "4"])
def test_totals_that_cannot_be(total):
    with pytest.raises(UsageError, match="cannot be"):
        load_questionnaire("phq8").grade(total)


def test_an_unknown_one():
    with pytest.raises(UsageError, match="phq8"):
        load_questionnaire("phq")
