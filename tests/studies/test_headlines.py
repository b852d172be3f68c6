"""Headlines are read with each rater's strengths in the order of the headlines."""

import numpy as np
import pytest

from affectome.errors import InputError
from affectome.studies.headlines import EMOTIONS, RATERS, load_headlines


@pytest.fixture
def folder(tmp_path):
    lines = '<instance id="7">Bakery &amp; café reopen</instance>\n<instance id="5">Bridge closed</instance>'
    (tmp_path / "affectivetext_test.xml").write_text(f'<corpus task="x">\n{lines}\n</corpus>', encoding="utf-8")
    (tmp_path / "Annotations").mkdir()
    for number, rater in enumerate(RATERS):
        text = f"5 0 0 0 0 0 0 -{number}\n7 10 0 0 30 0 0 {number}\n"
        (tmp_path / "Annotations" / f"{rater}.txt").write_text(text)
    return tmp_path


def test_headlines(folder):
    found = load_headlines(folder)
    assert found.ids == ("7", "5")
    assert found.texts == ["Bakery & café reopen", "Bridge closed"]
    assert found.strength.shape == (len(RATERS), 2, len(EMOTIONS))
    assert found.strength[2].tolist() == [[10, 0, 0, 30, 0, 0], [0] * 6]
    assert found.valence[3].tolist() == [3, -3]


def test_a_rater_spreads_one_vote(folder):
    np.testing.assert_allclose(load_headlines(folder).shares(), [[0.25, 0, 0, 0.75, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1]])


def _remove(path):
    path.unlink()


def _shorten(path):
    path.write_text("5 0 0\n7 0 0\n")


def _forget(path):
    path.write_text("5 0 0 0 0 0 0 0\n")


def _garble(path):
    path.write_text("5 0 0 0 0 0 0 high\n7 0 0 0 0 0 0 0\n")


@pytest.mark.parametrize("damage", [_remove, _shorten, _forget, _garble])
def test_damaged_ratings(folder, damage):
    damage(folder / "Annotations" / "M2.txt")
    with pytest.raises(InputError) as error:
        load_headlines(folder)
    assert error.value.code == "bad_corpus"


@pytest.mark.parametrize("content", ["", "<corpus><instance>no id</instance></corpus>"])
def test_damaged_headlines(folder, content):
    (folder / "affectivetext_test.xml").write_text(content)
    with pytest.raises(InputError):
        load_headlines(folder)


def test_too_few_emotions(folder):
    for rater in RATERS:
        (folder / "Annotations" / f"{rater}.txt").write_text("5 0 0\n7 0 0\n")
    with pytest.raises(InputError, match="1 emotions instead of 6"):
        load_headlines(folder)
