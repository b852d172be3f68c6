"""What a label column holds, and its labels in a vocabulary."""

import numpy as np
import polars as pl
import pytest

from affectome.errors import InputError
from affectome.evaluate.labelled import cell_labels, label_kind, numbers, presence_of, read_labelled


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["joy", "fear", None, "joy"], "choice"),
        (["joy, fear", "joy", None], "presence"),
        (["1.5", "2", "-3e1", "n/a", None], "measure"),
        (["0", "1", "1", "0"], "choice"),
        (["1", "2", "many"], "choice"),
        (["inf", "1", "2", "3"], "choice"),
        ([None, "none"], "choice"),
    ],
)
def test_kind(cells, kind):
    assert label_kind(cells) == kind


def test_cells_with_several_labels():
    assert cell_labels(" joy , fear,joy,", "presence") == ("joy", "fear")
    assert cell_labels("joy, fear", "choice") == ("joy, fear",)
    assert cell_labels(None, "presence") == ()


def test_numbers():
    np.testing.assert_array_equal(numbers(["1", None, "NaN", "-2.5"], "score"), [1, np.nan, np.nan, -2.5])
    with pytest.raises(InputError, match="'lots', which is no number") as caught:
        numbers(["1", "lots"], "score")
    assert caught.value.code == "not_a_number"


def test_labels_are_found_in_a_vocabulary_whatever_their_case():
    truth = presence_of(["JOY, fear", None, "Fear"], ["joy", "fear", "calm"], "presence")
    np.testing.assert_array_equal(truth.values, [[1, 1, 0], [np.nan] * 3, [0, 1, 0]])
    assert (truth.unlabelled, truth.unknown) == (1, {})


def test_a_few_unknown_labels_are_counted_and_many_are_an_error():
    cells = ["joy"] * 18 + ["envy", "malice"]
    truth = presence_of(cells, ["joy"], "choice")
    assert np.isnan(truth.values).sum() == 2
    assert truth.unknown == {"envy": 1, "malice": 1}
    with pytest.raises(InputError, match="3 of 21 labelled rows") as caught:
        presence_of([*cells, "envy"], ["joy"], "choice")
    assert (caught.value.code, caught.value.value, caught.value.allowed) == ("unknown_label", "envy", ("joy",))


def test_reading_a_table(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text("text,mood,author,site\nA day off.,calm ,Ada,x\nNothing here., ,,y\n", encoding="utf-8")
    table = read_labelled(path, label="mood", group_column="site")
    assert table.cells == ("calm", None)
    assert table.groups == ("x", "y")
    assert table.speakers == ("Ada", None)
    assert table.columns == {"text": "text", "speaker": "author", "group": "site", "label": "mood"}
    assert table.units().tolist() == [1, 0]
    assert len(table.fingerprint) == 64
    assert read_labelled(path, label="mood", speaker_column="site").speakers == ("x", "y")


def test_a_table_without_speakers_has_no_units(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text("text,mood\nA day off.,calm\n", encoding="utf-8")
    assert read_labelled(path, label="mood").units() is None


@pytest.mark.parametrize(
    ("content", "label", "code"),
    [
        ("text,mood\nA day off.,calm\n", "feeling", "missing_column"),
        ("text,mood\nA day off.,\n", "mood", "no_labels"),
        ("text,mood\n", "mood", "nothing_readable"),
    ],
)
def test_tables_that_do_not_do(tmp_path, content, label, code):
    path = tmp_path / "posts.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_labelled(path, label=label)
    assert caught.value.code == code


def test_a_parquet_file_without_rows(tmp_path):
    pl.DataFrame(schema={"text": pl.String, "mood": pl.String}).write_parquet(tmp_path / "posts.parquet")
    with pytest.raises(InputError):
        read_labelled(tmp_path / "posts.parquet", label="mood")
