"""Truths of composed pictures by hand, and the study on a few of them."""

import numpy as np
import pytest

from affectome.studies import StudySettings, run_study
from affectome.studies import s30_emovid as study


def palette(colours, counts):
    return study._Palette(np.array(colours), np.array(counts))


def test_truth_of_red_and_black():
    truth = study._truth(palette([(255, 0, 0), (0, 0, 0)], [5, 15]))
    assert truth["brightness"] == pytest.approx(0.25)
    assert truth["saturation"] == pytest.approx(0.25)
    assert truth["contrast"] == pytest.approx(0.2126 * (0.25 * 0.75) ** 0.5)
    assert truth["lightness"] == pytest.approx(0.25 * 53.24, abs=0.01)  # L* of red
    # Red less green is 255 in a quarter, half of red and green less blue 127.5 in a quarter.
    spread, mean = (0.25 * 0.75) ** 0.5 * np.hypot(255, 127.5), 0.25 * np.hypot(255, 127.5)
    assert truth["colourfulness"] == pytest.approx(spread + 0.3 * mean)
    assert truth["hue"] == pytest.approx(0, abs=1e-9)
    assert truth["hue_concentration"] == pytest.approx(1)
    assert truth["warmth"] == pytest.approx(0.25 * np.cos(np.pi / 6))


def test_two_reds_are_red_unless_degrees_are_averaged():
    reds = palette([(255, 0, 43), (255, 43, 0)], [10, 10])  # ten degrees on either side of red
    assert min(study._truth(reds)["hue"], 360 - study._truth(reds)["hue"]) < 1e-6
    assert study._plain_hue(reds) == pytest.approx(180)


def test_errors_are_shares_and_hues_go_around():
    truth = [{"hue": 359.0, "hue_concentration": 0.9, "brightness": 0.5, "warmth": 0.0}]
    given = [{"hue": 1.0, "brightness": 0.45, "warmth": 0.02}]
    assert study._errors("hue", truth, given) == pytest.approx([2 / 180])
    assert study._errors("brightness", truth, given) == pytest.approx([0.1])
    assert study._errors("warmth", truth, given) == pytest.approx([0.02])
    assert not len(study._errors("hue", [truth[0] | {"hue_concentration": 0.01}], given))


def test_a_turned_picture():
    red = np.full((2, 2, 3), (200, 0, 0), np.uint8)
    assert study._turned(red, 120)[0, 0].tolist() == [0, 200, 0]
    assert np.array_equal(study._turned(red, 360), red)


def test_cuts_nearby():
    assert study._near(np.array([10, 30]), np.array([12, 50])) == (0.5, 0.5)
    assert study._near(np.array([10, 30]), np.array([], np.int64)) == (0.0, 0.0)


def test_the_study(tmp_path):
    (tmp_path / "data").mkdir()
    result = run_study(study.STUDY, StudySettings(tmp_path / "data", tmp_path, threads=1, quick=True))
    assert all(claim.holds for claim in result.outcome.claims)
    pictures, changes, films = result.outcome.tables
    assert [row.role for row in pictures.rows] == ["baseline", "control", "result"]
    control, look = (row.values["hue"].value for row in pictures.rows[1:])
    assert control > 50 * look
    assert [row.role for row in (*changes.rows, *films.rows)] == ["baseline", "result"] * 2
