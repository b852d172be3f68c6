"""Strengths of voices: simple readers and pairs by hand, refusals that are accounted, and the whole study on tones."""

from functools import partial

import numpy as np
import pytest

from affectome.affect import load_scale
from affectome.errors import InputError
from affectome.evaluate import intensities
from affectome.evaluate.intensities import Answers, Intensities
from affectome.studies import StudySettings, refusing_readers, run_study
from affectome.studies import s01_emonet_voice as study
from affectome.studies.refusing_readers import account_refusals
from affectome.studies.voice_clips import fit_lines, pair_takes


def test_takes_that_differ_in_strength_alone():
    names = [
        "03-01-05-02-01-01-21",  # angry, strong
        "03-01-05-01-01-01-21",
        "03-01-05-01-02-01-21",  # another sentence, no strong take
        "03-01-01-01-01-01-21",  # neutral
        "03-01-05-01-01-01-22",  # another actor
        "03-01-05-02-01-01-22",
    ]
    assert pair_takes(names).tolist() == [[1, 0], [4, 5]]
    assert pair_takes(names[2:4]).shape == (0, 2)


def test_lines():
    levels = np.array([[0.0, np.nan], [1.0, 2.0], [np.nan, 1.0], [3.0, 0.0]])
    lines = fit_lines(np.array([0.0, 1.0, 2.0, 3.0]), levels, np.array([0.5, 9.0]))
    assert lines == pytest.approx(np.array([[0.5, 2.0], [2.0, 0.0]]))  # kept within 0 to 2
    same = fit_lines(np.ones(4), levels, np.array([1.0]))
    assert same == pytest.approx(np.array([[4 / 3, 1.0]]))


@pytest.fixture
def answered():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=(40, 2)).astype(float)
    labels = ("anger", "awe")
    given = np.clip(truth / 2 + rng.normal(0, 0.2, truth.shape), 0, 1)
    return Answers(labels, given, load_scale("0..1")), Intensities(labels, truth[:, :, None], load_scale("0..2"))


def test_refusals_are_accounted(answered):
    table, claim = account_refusals(*answered, name="reader", title="Toys", seed=0, groups=np.arange(40) % 4)
    assert claim.holds
    assert claim.value == claim.threshold == 7
    values = {row.predictor: row.values for row in table.rows}
    assert [row.role for row in table.rows] == ["baseline", *["control"] * 5, "result"]
    assert values["refuses every clip"]["refused"] == 1
    assert values["reader, leaves anger open"]["undefined"] == 1
    assert np.isnan(values["reader, leaves anger open"]["Spearman"].value)
    chosen, scored = values["reader, 40% refused where it is worst"], values["reader"]
    assert chosen["refused"] == 0.4
    assert chosen["MAE"].value < scored["MAE"].value  # which is why it has to be quoted with what was refused
    assert values["reader, 40% refused at random, scored as 0"]["refused"] == 0


def test_a_benchmark_that_scores_refusals_as_zero_is_found_out(answered, monkeypatch):
    def careless(answers, ratings, **options):
        filled = Answers(answers.labels, np.nan_to_num(answers.values), answers.scale)
        return intensities.score_intensities(filled, ratings, **options)

    monkeypatch.setattr(refusing_readers, "score_intensities", careless)
    _, claim = account_refusals(*answered, name="reader", title="Toys", seed=0, groups=np.arange(40) % 4)
    assert not claim.holds


def test_agreement_of_listeners(context, made_voices):
    context.data = made_voices
    table = study._agreement(context)
    assert [row.role for row in table.rows] == ["baseline", "ceiling"]
    indifferent, listeners = (row.values["anger"].value for row in table.rows)
    assert abs(indifferent) < 0.15
    assert listeners > indifferent
    (made_voices / "empty" / "crema_d_votes").mkdir(parents=True, exist_ok=True)
    context.data = made_voices / "empty"
    with pytest.raises(InputError, match=r"votes\.csv\.gz"):
        study._agreement(context)


@pytest.mark.slow
@pytest.mark.train
def test_the_whole_study_on_tones(made_voices, tmp_path, monkeypatch):
    pytest.importorskip("av")
    few = {"resamples": 15}
    for module in (study, refusing_readers):
        monkeypatch.setattr(module, "score_intensities", partial(intensities.score_intensities, **few))
    for name in ("measure", "claim_difference", "bootstrap_mean"):
        monkeypatch.setattr(study, name, partial(getattr(study, name), **few))
    result = run_study(study.STUDY, StudySettings(made_voices, tmp_path, threads=1))
    tables = {table.title.partition(":")[0]: table for table in result.outcome.tables}
    acted = next(table for table in result.outcome.tables if "acted strength of" in table.title)
    assert [row.role for row in acted.rows] == [*["baseline"] * 5, "control", "result", "result"]
    values = {row.predictor: row.values for row in acted.rows}
    assert np.isnan(values["nothing but 0"]["Spearman"].value)
    assert values["nothing but 0"]["undefined"] == 7
    # Of the seven feelings that have strengths, one is played in two of fifteen clips, at 5 and at 10.
    assert values["nothing but 0"]["MAE"].value == pytest.approx(1)
    pairs = {row.predictor: row.values["share"] for row in tables["RAVDESS test, normal and strong takes"].rows}
    assert pairs["coin"].value == 0.5
    assert pairs["loudness alone"].value == pairs["duration alone"].value == 1  # so the tones were made
    assert result.outcome.claims[1].holds
    present = tables["EMO-DB test, presence of 7 labels through 40"]
    assert present.rows[0].values["acted label present"].value == 1
    assert present.rows[0].values["labels present"].value == 7
    assert {entry["name"] for entry in result.vaults} == {"ravdess test", "emogator test", "emodb test"}
    assert result.data.keys() == set(study.STUDY.data)
