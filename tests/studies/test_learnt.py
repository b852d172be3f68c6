"""Texts that the reader has seen in its training, among made-up corpora."""

from types import SimpleNamespace

import numpy as np
import pytest

from affectome.errors import InputError
from affectome.studies import Context, learnt
from affectome.studies.learnt import FOLDERS, note_learnt

SAID = ["Good day, [NAME]!", "@ann so it goes https://example.org/1", "kept for the test", "!!"]


@pytest.fixture
def corpora(monkeypatch):
    asked = []

    def load(name, folder):
        asked.append((name, folder))
        return SimpleNamespace(texts=SAID, split=np.array(["train", "dev", "test", "train"]))

    monkeypatch.setattr(learnt, "load_corpus", load)
    return asked


@pytest.fixture
def whole(tmp_path):
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    return Context(data=tmp_path, seed=0, threads=1, base=None, work=tmp_path, quick=False)


def test_texts_are_compared_by_their_letters(corpora, whole):
    texts = ["good DAY", "So it goes, @bo", "kept for the test", "something else", "?"]
    sentence = note_learnt(whole, texts, "turns")
    assert sentence == "Of the 5 turns, 2 occur in the corpora that the package's reader was trained on."
    assert [name for name, _ in corpora] == list(learnt._CORPORA)
    assert {folder for _, folder in corpora} == {whole.data}


def test_thousands_are_marked(corpora, whole):
    assert note_learnt(whole, ["x"] * 1200, "posts").startswith("Of the 1,200 posts, 0 occur")


def test_every_folder_is_needed(corpora, whole):
    (whole.data / FOLDERS[-1]).rmdir()
    with pytest.raises(InputError):
        note_learnt(whole, ["x"], "turns")
    assert not corpora
