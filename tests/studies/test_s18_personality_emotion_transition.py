"""Dialogues found again, and transitions that are planted."""

import gzip

import numpy as np
import pytest

from affectome.dynamics import BigFive
from affectome.errors import InputError
from affectome.studies import personal_dialogues as triples
from affectome.studies import s18_personality_emotion_transition as study

HEADER = "Speaker_1\tSpeaker_2\tPersonality\tUtterance_1\tUtterance_2\tUtterance_3\tEmotion_1\tEmotion_2\tEmotion_3"


def _triple(lines, emotions=("joy", "neutral", "joy"), person="Ann"):
    return "\t".join([person, "Bob", "[0.5, 0.4, 0.3, 0.6, 0.2]", *lines, *emotions])


@pytest.fixture
def folder(tmp_path):
    """Two scenes; their lines "Yes." are said in both."""
    for name in ("peld", "meld/MELD", "emorynlp"):
        (tmp_path / name).mkdir(parents=True)
    rows = [
        _triple(["Where did you put the old red kettle?", "On the shelf behind the door.", "I see it now."]),
        _triple(["I see it now.", "So we can have tea.", "Yes."]),
        _triple(["Who left the window open all night long?", "Not me, I was away.", "Yes."]),
        _triple(["Yes.", "Yes.", "Yes."]),
        _triple(["A line of nobody that is said somewhere else entirely.", "Yes.", "No."]),
        _triple(["No.", "A line of nobody that is said somewhere else entirely.", "Ha."]),
    ]
    with gzip.open(tmp_path / "peld" / "Dyadic_PELD.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join([HEADER, *rows]))
    meld = ["Utterance,Dialogue_ID,Season,Episode"]
    meld += [f'"{line}",0,1,1' for line in ("Where did you put the old red kettle?", "On the shelf behind the door.",
                                            "I see it now.", "So we can have tea.", "Yes.")]  # fmt: skip
    (tmp_path / "meld" / "MELD" / "train.csv").write_text("\n".join(meld), encoding="utf-8")
    emory = ["Utterance,Scene_ID,Season,Episode"]
    emory += [f'"{line}",7,1,2' for line in ("Who left the window open all night long?", "Not me, I was away.", "Yes.")]
    (tmp_path / "emorynlp" / "train.csv").write_text("\n".join(emory), encoding="utf-8")
    return tmp_path


def test_dialogues_are_found_again(folder):
    found = triples.load_triples(folder)
    one, two, three, short, first, second = found.dialogues.tolist()
    assert one == two != three
    assert short not in (one, three)  # said in both scenes, which have nothing else in common
    assert first == second  # a long line is shared
    assert found.people[0] == BigFive(0.5, 0.4, 0.3, 0.6, 0.2)
    assert [triples.emotion_names()[k] for k in found.emotions[0]] == ["joy", "neutral", "joy"]


def test_files_of_another_kind(folder):
    (folder / "peld" / "Dyadic_PELD.tsv.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="Dyadic_PELD"):
        triples.load_triples(folder)
    (folder / "peld" / "Dyadic_PELD.tsv.gz").unlink()
    with pytest.raises(InputError, match="Dyadic_PELD"):
        triples.load_triples(folder)


def test_properties_hold():
    assert all(claim.holds for claim in study._properties())


def test_metrics_by_hand():
    sure = np.eye(7)[[3, 4]]
    assert study._log_loss(truth=[3, 4], probability=sure) == pytest.approx(0, abs=1e-9)
    assert study._log_loss(truth=[3], probability=np.full((1, 7), 1 / 7)) == pytest.approx(np.log(7))
    joy = triples.emotion_anchors()[[3]]
    assert study._vad_error(truth=[3], prediction=joy) == 0
    assert study._vad_error(truth=[4], prediction=joy) == pytest.approx((0.81**2 + 0.51**2 + 0.46**2) / 3)


@pytest.fixture
def planted():
    """The next emotion is the last one, but joy after an answer in anger becomes sadness; words say nothing."""
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 7, (2, 400))
    names = triples.emotion_names()
    target = np.where((second == names.index("anger")) & (first == names.index("joy")), names.index("sadness"), first)
    one_of = np.eye(7)
    given = study._Given(
        one_of[first], one_of[second], np.ones((400, 1)), rng.normal(size=(400, 3)), rng.normal(size=(400, 4))
    )
    return given, target, np.arange(400) // 4


@pytest.mark.train
def test_readers_of_planted_transitions(planted):
    pytest.importorskip("torch")
    given, target, dialogues = planted
    found = study._divide(given, target, dialogues, 0)
    assert {name: output[0].shape for name, output in found.items()} == dict.fromkeys(found, (400, 7))
    right = {name: float((output[0].argmax(axis=1) == target).mean()) for name, output in found.items()}
    assert right[study._READER] > 0.9 > 0.35 > right[study._SHUFFLED]
    assert right[study._MOVED] > 0.35
    for name, (probability, _) in found.items():
        assert probability.sum(axis=1) == pytest.approx(np.ones(400), abs=1e-5), name


@pytest.mark.train
def test_the_table_starts_with_baselines(planted, context):
    pytest.importorskip("torch")
    given, target, dialogues = planted
    found = study._divide(given, target, dialogues, 0)
    table = study._table(context, found, target, dialogues, "planted")
    assert [row.role for row in table.rows] == ["baseline"] * 5 + ["control"] + ["result"] * 4
    assert study._LOSS not in table.rows[1].values
    claims = study._claims(context, table, found, target, dialogues)
    assert claims[0].value == table.rows[-1].values[study._LOSS].value
