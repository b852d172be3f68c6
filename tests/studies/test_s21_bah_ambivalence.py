"""Answers with planted signs, and that prompts and people are kept apart."""

import numpy as np
import pytest

from affectome.errors import InputError, LeakError
from affectome.studies import s21_bah_ambivalence as study

pytest.importorskip("sklearn")

TORN = "I would like to, but I am not sure and it is hard"
SURE = "I did it this morning and it was fine"


def _line(person, prompt, torn, text):
    return f'Videos/{person}/Visite_1/{person}_Question_{prompt}_2024_Video.mp4,{torn},"{text}"'


def _write(folder, people=None):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, numbers in (people or {"train": range(10, 30), "val": range(30, 35), "test": range(40, 50)}).items():
        lines = []
        for person in numbers:
            for prompt in range(1, 8):
                torn = int(rng.random() < prompt / 8)
                words = " ".join(rng.choice(["garden", "bread", "walk", "phone", "letter"], 5))
                lines.append(_line(person, prompt, torn, f"{TORN if torn else SURE}, {words}."))
        (folder / f"{part}.txt").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def planted(context, data, monkeypatch):
    _write(data / study._FOLDER)

    def features(context, texts):
        return {study._MARKERS: np.array([study._markers(text) for text in texts])}

    monkeypatch.setattr(study, "_features", features)
    return context


def test_markers_by_hand():
    kinds = list(study.tomllib.loads(study._WORDS_FILE.read_text())["markers"])
    found = dict(zip(kinds, study._markers("Maybe. I want it, but I cannot stop."), strict=False))
    assert found["hedge"] == found["contrast"] == found["negation"] == found["change"] == pytest.approx(50 / 8)
    assert found["self"] == pytest.approx(100 / 8)
    assert found["duty"] == 0
    assert study._markers("")[-1] == 0
    assert study._markers("butter notes").count(0.0) == 2 * len(kinds)


def test_the_study_finds_what_is_planted(planted):
    outcome = study.run(planted)
    (table,) = outcome.tables
    values = {row.predictor: row.values for row in table.rows}
    assert [row.role for row in table.rows[:4]] == ["baseline"] * 3 + ["control"]
    assert values[study._BLEND][study._WITHIN].value > 0.95
    assert values[study._PROMPT][study._WITHIN].value == pytest.approx(0.5)
    assert values[study._SHUFFLED][study._WITHIN].value < 0.7
    assert all(claim.holds for claim in outcome.claims[:2])


def test_a_person_in_two_parts_is_refused(context, data, monkeypatch):
    _write(data / study._FOLDER, {"train": [1, 2], "val": [3], "test": [2]})
    with pytest.raises(LeakError):
        study.run(context)


def test_auc_within_prompts():
    truth, prompt = np.array([0, 1, 0, 1, 1]), np.array([1, 1, 2, 2, 3])
    found = study._within(truth=truth, probability=np.array([0.1, 0.2, 0.9, 0.8, 0.5]), prompt=prompt)
    assert found == pytest.approx(0.5)  # 1 and 0; the third prompt has one kind of answer only


@pytest.mark.parametrize("text", ["", "a,b", "Videos/x.mp4,1,text", "Videos/1/1_Question_2_,yes,text"])
def test_files_of_another_kind(tmp_path, text):
    path = tmp_path / "train.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=r"train\.txt"):
        study._load(path, quick=False)
