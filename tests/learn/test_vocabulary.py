from pathlib import Path

import pytest

from affectome.errors import InputError
from affectome.learn import load_corpus, load_vocabulary
from affectome.learn.vocabulary import forms_of

SHIPPED = Path(__file__).parents[2] / "recipes"


def test_a_label_has_its_name_its_words_and_its_gloss(recipes):
    vocabulary = load_vocabulary(recipes / "vocabulary.tsv")
    assert vocabulary["joy"] == ("joy", "joyful", "glad", "a good morning")
    assert forms_of("fear", vocabulary) == ("fear", "afraid", "a bad train")
    assert forms_of("envy", vocabulary) == ("envy",)


def test_every_composed_situation_has_its_label_in_the_shipped_vocabulary():
    labels = set(load_corpus("situations_all", SHIPPED).columns)
    assert labels <= set(load_vocabulary(SHIPPED / "vocabulary.tsv"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"label\twords\tgloss\njoy\tglad\n", "line 2 lacks"),
        (b"label\twords\tgloss\njoy\tglad\tgood\nfear\tafraid,\tbad\n", "line 3 lacks"),
        (b"label\twords\njoy\tglad\n", "line 2 lacks"),
        (b"label\twords\tgloss\njoy\t\xff\tgood\n", "utf-8"),
    ],
)
def test_a_vocabulary_with_gaps_is_refused(tmp_path, content, reason):
    path = tmp_path / "vocabulary.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        load_vocabulary(path)
    assert caught.value.code == "bad_vocabulary"


def test_a_missing_vocabulary_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_vocabulary(tmp_path / "vocabulary.tsv")
