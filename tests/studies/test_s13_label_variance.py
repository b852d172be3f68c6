"""Votes are described beside raters who ignore what they rate, and students of shares beside students of majorities."""

import gzip
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from affectome.errors import InputError
from affectome.studies import StudySettings, run_study, vote_students
from affectome.studies import s13_label_variance as study
from affectome.studies.headlines import EMOTIONS, RATERS, Headlines

CREMA = "fileName,modality,actor,intended,A,D,F,H,N,S\n"
CLIPS = ("A,4,0,0,0,0,0", "D,1,3,0,0,0,0", "H,2,0,0,2,0,0", "S,0,0,0,0,3,1")
FACES = "image,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
EVENTS = ("fire destroys old market", "team wins the cup", "mayor accused of fraud", "storm nears the coast")
PLACES = ("north", "south", "east", "west", "river", "harbour", "hill", "station", "park")


def write_data(folder: Path) -> None:
    for name in study.STUDY.data:
        (folder / name).mkdir(parents=True)
    rows = [
        f"{k}_{channel},{channel},{1001 + k % 2},{clip}\n"
        for channel in ("voice", "face", "multimodal")
        for k, clip in enumerate(CLIPS)
    ]
    (folder / "crema_d_votes" / "votes.csv.gz").write_bytes(gzip.compress((CREMA + "".join(rows)).encode()))
    faces = "a,10,0,0,0,0,0,0,0,0,0\nb,3,3,0,0,0,0,0,0,2,2\n"
    (folder / "fer2013plus" / "labels.csv").write_text(FACES + faces)
    headlines = folder / study.FOLDER
    (headlines / "Annotations").mkdir()
    texts = [f"{event} near the {place}" for place in PLACES for event in EVENTS]
    lines = [f'<instance id="{k}">{text}</instance>' for k, text in enumerate(texts)]
    (headlines / "affectivetext_test.xml").write_text(f"<corpus>{''.join(lines)}</corpus>")
    felt = [(4, 2), (3, 5), (0, 1), (2, 4)]  # the stronger and the weaker feeling of each event
    for number, rater in enumerate(RATERS):
        ratings = []
        for k in range(len(texts)):
            strength = np.zeros(len(EMOTIONS), int)
            strength[felt[k % 4][0]] = 90 if number < 4 else 40
            strength[felt[k % 4][1]] = 10 if number < 4 else 60
            ratings.append(f"{k} {' '.join(map(str, strength))} 0\n")
        (headlines / "Annotations" / f"{rater}.txt").write_text("".join(ratings))


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture
def toy_context(context, toys):
    context.data = toys
    return context


def test_votes_on_clips(toy_context):
    tables, reproduced = study._crema(toy_context)
    assert [table.title.split(": ")[1] for table in tables] == ["4 clips"] * 3
    baseline, control, raters = tables[0].rows
    assert [row.role for row in (baseline, control, raters)] == ["baseline", "control", "ceiling"]
    expected = {"raters": 4, "unanimous": 1 / 4, "tied": 1 / 4, "1-best": 3 / 4, "2-best": 1, "3-best": 1}
    assert {name: raters.values[name].value for name in expected} == expected
    # Entropies 0, H(1/4), 1 and H(1/4) bit.
    assert raters.values["entropy (bit)"].value == pytest.approx((0 + 0.811278 + 1 + 0.811278) / 4)
    # The third clip is tied between anger and the acted happiness; the first label wins. Shares 1, 3/4, 1/2 and 1/4.
    assert raters.values["majority = acted"].value == 2 / 4
    assert raters.values["votes = acted"].value == (1 + 3 / 4 + 1 / 2 + 1 / 4) / 4
    assert set(control.values) == {"majority = acted", "votes = acted"}
    assert baseline.values["raters"].value == 4
    assert not reproduced.holds


def test_votes_on_faces_keep_those_that_name_no_emotion(toy_context):
    raters = study._faces(toy_context).rows[1]
    assert raters.values["1-best"].value == (1 + 0.3) / 2
    assert raters.values["tied"].value == 1 / 2


@pytest.mark.parametrize("name", ["crema_d_votes/votes.csv.gz", "fer2013plus/labels.csv"])
def test_a_file_that_is_not_there(context, data, name):
    for folder in study.STUDY.data:
        (data / folder).mkdir()
    with pytest.raises(InputError, match=name.split("/")[1]):
        (study._crema if "crema" in name else study._faces)(context)


@pytest.mark.parametrize(
    ("value", "figure", "same"), [(0.05146, ".051", True), (9.2149, "9.21", True), (0.0516, ".051", False)]
)
def test_figures_to_their_last_digit(value, figure, same):
    assert study._rounds_to(value, figure) is same


def test_one_vote_a_rater():
    strength = np.zeros((len(RATERS), 1, len(EMOTIONS)))
    strength[0, 0, 3] = 50  # just strong enough
    strength[1, 0, 3] = 49  # not
    strength[2, 0, [0, 1]] = 80  # undecided
    strength[3, 0, [0, 1]] = 80, 70
    votes = study._votes(Headlines(("1",), ["x"], strength, np.zeros((len(RATERS), 1))))
    assert dict(zip(votes.labels, votes.counts[0].tolist(), strict=True)) == {
        "anger": 1,
        "disgust": 0,
        "fear": 0,
        "joy": 1,
        "sadness": 0,
        "surprise": 0,
        "none": 3,
    }


def test_majorities_share_ties():
    strength = np.zeros((len(RATERS), 2, len(EMOTIONS)))
    strength[:3, 0, 0] = strength[3:, 0, 1] = 10
    strength[:, 1, 2] = 5
    target = study._proportional(Headlines(("1", "2"), ["x", "y"], strength, np.zeros((len(RATERS), 2))))
    assert target.majority.tolist() == [[0.5, 0.5, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0, 0]]
    assert target.labels.tolist() == [-1, 2]
    assert target.at(np.array([1])).labels.tolist() == [2]


class Mute:
    """In place of the voice part, which has tests of its own."""

    def __init__(self, context):
        pass

    def run(self):
        return [], [], []


@pytest.mark.train
def test_the_whole_study_on_toys(toys, tmp_path, monkeypatch):
    from affectome.learn.heads import fit_head

    monkeypatch.setattr(vote_students, "FOLDS", 2)
    for name in ("measure", "claim_difference"):
        monkeypatch.setattr(vote_students, name, partial(getattr(vote_students, name), resamples=20))
    monkeypatch.setattr(study, "SpokenFeelings", Mute)
    monkeypatch.setattr("affectome.learn.heads.fit_head", partial(fit_head, strength=0.1))
    notes = []
    result = run_study(study.STUDY, StudySettings(toys, tmp_path, threads=1, quick=True), notes.append)
    *_, votes, shares = result.outcome.tables
    assert [row.role for row in votes.rows] == ["baseline", "baseline", "control", *["result"] * 4]
    assert [row.predictor for row in shares.rows[3:]] == ["reader, shares", "reader, majority labels"]
    value = {row.predictor: row.values["KL"].value for row in shares.rows}
    assert value["reader, shares"] < value["reader, majority labels"]
    assert value["reader, shares"] < value["mean shares"] < value["reader, shuffled shares"] + 0.2
    assert [entry["rows"] for entry in result.vaults] == [18, 18] * 2
    assert result.data.keys() == {"crema_d_votes", "fer2013plus", study.FOLDER}
    assert len(notes) == 4 + 2 * 2


@pytest.mark.data
def test_the_reference_figures_come_out(context):
    folder = os.environ.get("AFFECTOME_DATA")
    if not folder:
        pytest.skip("AFFECTOME_DATA does not name the folder with the data sets")
    context.data = Path(folder)
    _, reproduced = study._crema(context)
    assert reproduced.value == reproduced.threshold == 13
