"""Situations, conversations and dialogues in their published layouts."""

import csv
import gzip
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from affectome.affect import load_taxonomy
from affectome.errors import InputError
from affectome.studies import corpora
from affectome.studies.corpora import emotion_words, load_conversations, load_friends, load_meld, load_situations

FEELINGS, SEVEN = load_taxonomy("ed32").labels, load_taxonomy("meld7").labels
NAMES = {"1": "proud", "2": "lonely"}
SITUATIONS = [("1", "My sister won the race."), ("2", "Nobody wrote today, again "), ("1", "Twice"), ("2", "Twice")]
TALKS = [  # situation, all turns, the speaker's turns
    ("Nobody wrote today, again ", "It is quiet.Why?No letters.I see.", "It is quiet.No letters."),
    ("My sister won the race.", "She won!Great!", "She won!"),
    ("Twice", "a", "a"),
    ("never labelled", "a", "a"),
]


def table(header, rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return gzip.compress(text.getvalue().encode())


@pytest.fixture
def situations(tmp_path):
    names = {"situations (JointMatch ids 1-32)": NAMES}
    (tmp_path / "label_names.json").write_text(json.dumps(names))
    (tmp_path / "situations_dev.csv.gz").write_bytes(table(["label", "content"], SITUATIONS))
    header = ["prompt", "utterance_data", "speaker_utterance"]
    (tmp_path / "dialogues_valid.csv.gz").write_bytes(table(header, TALKS))
    return tmp_path


def test_situations(situations):
    read = load_situations(situations, "dev")
    assert read.texts[:2] == ["My sister won the race.", "Nobody wrote today, again"]
    assert read.labels.tolist() == [FEELINGS.index(NAMES[number]) for number, _ in SITUATIONS]


def test_conversations_keep_what_is_labelled_once(situations):
    read = load_conversations(situations, "dev")
    assert read.situations == ["Nobody wrote today, again", "My sister won the race."]
    assert read.openings == ["It is quiet.", "She won!"]
    assert read.sequels == ["No letters.", ""]
    assert [FEELINGS[label] for label in read.labels] == ["lonely", "proud"]


@pytest.mark.parametrize("name", ["label_names.json", "situations_dev.csv.gz", "dialogues_valid.csv.gz"])
@pytest.mark.parametrize("content", [None, b"\x1f\x8b nothing", b'{"a": 1}'])
def test_damaged_files_are_one_clear_error(situations, name, content):
    (situations / name).unlink()
    if content is not None:
        (situations / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        load_conversations(situations, "dev")
    assert error.value.code == "bad_corpus"


@pytest.mark.parametrize("packed", [True, False])
def test_meld_in_the_order_of_its_dialogues(tmp_path, packed):
    header = ["Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"]
    rows = [("c", "Ann", "joy", "10", "0"), ("b", "Bo", "fear", "2", "1"), (" a ", "Ann", "neutral", "2", "0")]
    (tmp_path / "MELD").mkdir()
    path = tmp_path / "MELD" / f"dev_sent_emo.csv{'.gz' if packed else ''}"
    path.write_bytes(table(header, rows) if packed else gzip.decompress(table(header, rows)))
    turns = load_meld(tmp_path, "dev")
    assert (turns.texts, turns.speakers, turns.dialogues.tolist()) == (
        ["a", "b", "c"],
        ["Ann", "Bo", "Ann"],
        [2, 2, 10],
    )
    assert [SEVEN[label] for label in turns.labels] == ["neutral", "fear", "joy"]
    assert turns.votes.tolist() == np.zeros((3, 7)).tolist()
    last = turns.at(np.array([2]))
    assert (last.texts, last.dialogues.tolist(), last.votes.shape) == (["c"], [10], (1, 7))


def write_friends(folder, dialogues):
    (folder / "friends_test.json.gz").write_bytes(gzip.compress(json.dumps(dialogues).encode()))


def test_votes_of_friends(tmp_path):
    said = {"speaker": "Ann", "utterance": "You\x92re late, caf\u00e9 \u2014 ", "annotation": "1300010"}
    write_friends(tmp_path, [[said], [said | {"annotation": "0000005"}]])
    turns = load_friends(tmp_path, "test")
    assert turns.texts[0] == "You’re late, café —"
    assert turns.dialogues.tolist() == [0, 1]
    votes = [dict(zip(SEVEN, row, strict=True)) for row in turns.votes.tolist()]
    assert {label: count for label, count in votes[0].items() if count} == {"neutral": 1, "joy": 3, "surprise": 1}
    assert votes[1]["disgust"] == 5
    assert [SEVEN[label] for label in turns.labels] == ["joy", "disgust"]


@pytest.mark.parametrize("annotation", ["13", "x300010"])
def test_votes_in_another_layout_are_refused(tmp_path, annotation):
    write_friends(tmp_path, [[{"speaker": "Ann", "utterance": "Hi", "annotation": annotation}]])
    with pytest.raises(InputError) as error:
        load_friends(tmp_path, "test")
    assert error.value.code == "bad_corpus"


def test_words_for_feelings():
    words = emotion_words()
    assert {"joy", "furious", "nostalgic"} <= set(words)
    assert len(words) == len(set(words)) > 500


@pytest.mark.data
def test_the_published_files():
    folder = os.environ.get("AFFECTOME_DATA")
    if not folder:
        pytest.skip("AFFECTOME_DATA does not name the folder with the data sets")
    data_folder = Path(folder)
    assert len(load_situations(data_folder / corpora.SITUATIONS, "test").texts) == 2547
    talks = load_conversations(data_folder / corpora.SITUATIONS, "test")
    assert len(talks.labels) > 2500
    assert np.mean([bool(text) for text in talks.sequels]) > 0.99
    assert [len(load_meld(data_folder / corpora.MELD, part).texts) for part in ("train", "dev", "test")] == [
        9989,
        1109,
        2610,
    ]
    votes = load_friends(data_folder / corpora.FRIENDS, "train").votes
    assert len(votes) == 10561
    assert (votes.sum(axis=1) == 5).all()
