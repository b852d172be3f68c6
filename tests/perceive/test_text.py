"""The shipped text reader: what it must do whatever its weights are, and a few readings nobody doubts."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from affectome.affect import list_taxonomies, load_taxonomy
from affectome.errors import InputError, UsageError
from affectome.perceive import TextReader, estimates_schema
from affectome.perceive.text import MAX_CHARACTERS

_TEXTS = [
    "Thank you so much for everything!",
    "I am terrified of the dark.",
    "ok",
    "What a disgusting, rotten thing to do to your own family after all these years of trust.",
    "My grandmother died last night and I can't stop crying.",
    "LOL that is hilarious 😂😂",
]
_MEASURED = ["emotion", "top", "confidence", "entropy", "valence", "arousal_sd", "tone"]


@pytest.fixture(scope="module")
def open_reader(bundle):
    return TextReader(bundle, labels=["calm", "furious", "homesick"])


def _p(reader, text):
    return reader.probabilities([text])[0]


def test_schema_and_values(reader, segments):
    table = segments(_TEXTS)
    estimates = reader.perceive(table)
    assert estimates.schema == estimates_schema(reader.labels, table.schema["meta"])
    assert estimates["id"].to_list() == table["id"].to_list()
    assert_frame_equal(
        estimates.select("source", "start", "end", "speaker", "text", "meta"),
        table.select("source", "start", "end", "speaker", "text", "meta"),
    )
    assert set(estimates["status"]) == {"scored"}
    assert set(estimates["error"]) == {""}
    assert set(estimates["modality"]) == {"text"}
    assert set(estimates["model"]) == {reader.card.versioned_id}
    assert set(estimates["taxonomy"]) == {"goemotions28"}
    p = estimates["emotion"].struct.unnest().to_numpy()
    assert ((p >= 0) & (p <= 1)).all()
    assert estimates["top"].to_list() == [reader.labels[k] for k in p.argmax(axis=1)]
    np.testing.assert_array_equal(estimates["confidence"].to_numpy(), p.max(axis=1))
    for name in ("valence", "arousal", "dominance"):
        assert estimates[name].is_between(-1, 1).all()
        assert estimates[f"{name}_sd"].is_between(0, 1).all()
    tone = estimates["tone"].struct
    assert tone.field("sentiment").is_between(-1, 1).all()
    assert tone.field("toxicity").is_between(0, 1).all()
    assert estimates["entropy"].is_between(0, np.log(28)).all()


@pytest.mark.parametrize("texts", [[], [None, "", "!?"]], ids=["no row", "no scored row"])
def test_the_schema_does_not_depend_on_the_rows(reader, segments, texts):
    table = segments(texts)
    for estimates in (reader.perceive(table), reader.failed(table, "worker_died")):
        assert estimates.schema == estimates_schema(reader.labels, table.schema["meta"])
        assert len(estimates) == len(texts)
        assert all(estimates[name].null_count() == len(texts) for name in _MEASURED)


def test_every_row_ends_in_one_status(reader, segments):
    rows = [
        (None, "", "abstained", "empty"),
        (" \n\t ", "", "abstained", "empty"),
        ("!!! 12 :)", "", "abstained", "too_short"),
        ("https://example.org/a", "", "abstained", "too_short"),
        ("@somebody", "", "abstained", "too_short"),
        ("\0\0\0", "", "abstained", "too_short"),
        ("Je suis très content de te voir ici mon vieil ami", "", "abstained", "not_english"),
        ("これはとても面白い映画でした", "", "abstained", "not_english"),
        ("too long " * (MAX_CHARACTERS // 9 + 1), "", "failed", "too_long"),
        ("Thank you!", "bad_row", "failed", "bad_row"),
        (None, "duplicate_id", "failed", "duplicate_id"),
        ("th\0ank you so mu\0ch", "", "scored", ""),
        ("😂", "", "scored", ""),
        ("good", "", "scored", ""),
    ]
    texts, errors, statuses, codes = (list(column) for column in zip(*rows, strict=True))
    estimates = reader.perceive(segments(texts, errors))
    assert estimates["status"].to_list() == statuses
    assert estimates["error"].to_list() == codes
    scored = pl.Series(statuses) == "scored"
    for name in _MEASURED:
        assert (estimates[name].is_not_null() == scored).all(), name
    assert estimates["text"].to_list() == texts


def test_failed_gives_every_row_the_code(reader, segments):
    estimates = reader.failed(segments(_TEXTS), "worker_died")
    assert set(estimates["status"]) == {"failed"}
    assert set(estimates["error"]) == {"worker_died"}
    assert estimates["text"].to_list() == _TEXTS


@pytest.mark.parametrize(
    ("text", "top", "valence"),
    [
        ("Thank you so much!", "gratitude", 1),
        ("Thanks a lot, I really appreciate your help.", "gratitude", 1),
        ("I love you with all my heart.", "love", 1),
        ("I'm so sorry, please forgive me.", "remorse", -1),
        ("I am so scared, I'm terrified.", "fear", -1),
    ],
)
def test_clear_cases(reader, segments, text, top, valence):
    row = reader.perceive(segments([text])).row(0, named=True)
    assert row["top"] == top
    assert row["valence"] * valence > 0


def test_equal_texts_are_read_once(reader, segments, monkeypatch):
    seen = []
    encode = reader.encoder.encode
    monkeypatch.setattr(reader.encoder, "encode", lambda texts: seen.extend(texts) or encode(texts))
    estimates = reader.perceive(segments(["hello there", "", "what a day", "hello there", "hello there"]))
    assert sorted(seen) == ["hello there", "what a day"]
    same = estimates.filter(text="hello there").select(_MEASURED)
    assert len(same) == 3
    assert len(same.unique()) == 1


def test_companions_order_and_padding_change_nothing(reader):
    alone = np.stack([_p(reader, text) for text in _TEXTS])
    crowd = [f"{text} {i}" for i in range(4) for text in _TEXTS]
    np.testing.assert_allclose(reader.probabilities(_TEXTS), alone, atol=1e-5)
    np.testing.assert_allclose(reader.probabilities(_TEXTS[::-1])[::-1], alone, atol=1e-5)
    np.testing.assert_allclose(reader.probabilities([*crowd, *_TEXTS])[-len(_TEXTS) :], alone, atol=1e-5)


def test_surface_changes_nothing(reader):
    plain = _p(reader, "well done 👏 my friend")
    for other in ("well done 👏🏽 my friend", "  well done 👏  my friend \n", "well done 👏\ufe0f my\0 friend"):
        np.testing.assert_allclose(_p(reader, other), plain, atol=1e-5)


def test_a_long_text_is_the_average_of_its_windows(reader):
    sentence = "I am so happy and grateful that you came to see me today. "
    long = reader.encoder.encode([sentence * 40])
    np.testing.assert_allclose(np.linalg.norm(long.vectors, axis=1), 1, rtol=1e-5)
    assert np.isfinite(np.concatenate([array.ravel() for array in long])).all()
    np.testing.assert_allclose(_p(reader, sentence * 40), _p(reader, sentence * 80), atol=0.1)
    mixed = reader.probabilities(["hi there", sentence * 40, "so sad"])
    np.testing.assert_allclose(mixed[[0, 2]], reader.probabilities(["hi there", "so sad"]), atol=1e-5)
    np.testing.assert_allclose(mixed[1], _p(reader, sentence * 40), atol=1e-5)


def test_a_text_of_the_greatest_length_is_read(reader, segments):
    text = ("thank you so much " * (MAX_CHARACTERS // 18 + 1))[:MAX_CHARACTERS]
    row = reader.perceive(segments([text])).row(0, named=True)
    assert (row["status"], row["top"]) == ("scored", "gratitude")


def test_own_words_exclude_each_other(open_reader, segments):
    estimates = open_reader.perceive(
        segments(["I miss my home and my country so much", "I will smash your face, idiot"])
    )
    assert set(estimates["taxonomy"]) == {"custom"}
    assert estimates["top"].to_list() == ["homesick", "furious"]
    assert estimates["emotion"].struct.fields == ["calm", "furious", "homesick"]
    np.testing.assert_allclose(estimates["emotion"].struct.unnest().to_numpy().sum(axis=1), 1, rtol=1e-5)


def test_one_label_and_two_hundred(bundle, segments):
    one = TextReader(bundle, labels=["tired"]).perceive(segments(["hello there"]))
    assert (one["confidence"].item(), one["entropy"].item()) == (1.0, 0.0)
    many = TextReader(bundle, labels=[f"feeling number {i}" for i in range(200)])
    p = many.probabilities(["hello there"])
    assert p.shape == (1, 200)
    assert p.sum() == pytest.approx(1, rel=1e-4)


def test_several_own_words_at_once(bundle):
    reader = TextReader(bundle, labels=["calm", "furious"], multi_label=True)
    assert not reader.exclusive
    fewer = TextReader(bundle, labels=["furious"], multi_label=True)
    np.testing.assert_allclose(_p(reader, "I hate this!")[1:], _p(fewer, "I hate this!"), atol=1e-5)


def test_a_taxonomy_can_be_read_either_way(bundle):
    assert TextReader(bundle, "ekman7").exclusive
    assert not TextReader(bundle, "ekman7", multi_label=True).exclusive
    single = TextReader(bundle, multi_label=False)
    assert not single.thresholds
    p = _p(single, "Thank you so much!")
    assert p.sum() == pytest.approx(1, rel=1e-4)
    assert single.labels[p.argmax()] == "gratitude"


def test_thresholds_only_where_they_were_chosen(reader, open_reader):
    assert list(reader.thresholds) == list(reader.labels)
    assert all(0 < threshold < 1 for threshold in reader.thresholds.values())
    assert open_reader.thresholds == {}


@pytest.mark.parametrize("labels", [["joy", "joy"], ["joy", " joy "], ["joy", ""], [" "]])
def test_blank_and_repeated_labels_are_refused(bundle, labels):
    with pytest.raises(UsageError) as caught:
        TextReader(bundle, labels=labels)
    assert caught.value.code == "bad_label"


def test_every_taxonomy_of_categories_can_be_read(bundle, reader, monkeypatch):
    # One session for all: loading the network is slow, and is not what is tested here.
    monkeypatch.setattr("affectome.perceive.text.TextEncoder", lambda *_: reader.encoder)
    monkeypatch.setattr(type(bundle), "session", lambda *_, **__: None)
    for taxonomy in list_taxonomies():
        other = TextReader(bundle, taxonomy)
        p = _p(other, "I am so happy")
        assert len(p) == len(load_taxonomy(taxonomy))
        assert np.isfinite(p).all()
        assert not other.exclusive or p.sum() == pytest.approx(1, rel=1e-4)


def test_other_vocabularies_are_refused(bundle):
    others = set(list_taxonomies(kind=None)) - set(list_taxonomies())
    assert others
    for taxonomy in others:
        with pytest.raises(UsageError) as caught:
            TextReader(bundle, taxonomy)
        assert caught.value.code == "not_categories"
        assert set(caught.value.allowed) == set(list_taxonomies())
    with pytest.raises(UsageError) as caught:
        TextReader(bundle, "ekman")
    assert caught.value.code == "unknown_taxonomy"


def test_explain_finds_the_telling_word(reader):
    text = "Well,  thanks for the bread"
    contributions = reader.explain(text)
    assert [c.word for c in contributions] == text.split()
    assert all(text[c.start : c.end] == c.word for c in contributions)
    assert max(contributions, key=lambda c: c.change).word == "thanks"
    assert max(c.change for c in contributions) > 0.1


def test_explain_another_label_and_one_word(reader):
    by_label = {label: reader.explain("so happy but scared", label) for label in ("joy", "fear")}
    assert max(by_label["joy"], key=lambda c: c.change).word == "happy"
    assert max(by_label["fear"], key=lambda c: c.change).word == "scared"
    (only,) = reader.explain("thanks")
    assert only.change > 0


@pytest.mark.parametrize(
    ("text", "label", "code"),
    [("  ", None, "empty"), ("hello", "schadenfreude", "unknown_label"), ("go " * 501, None, "too_long")],
)
def test_what_cannot_be_explained(reader, text, label, code):
    with pytest.raises((InputError, UsageError)) as caught:
        reader.explain(text, label)
    assert caught.value.code == code


@settings(max_examples=40)
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=5))
def test_any_text_gets_exactly_one_status(reader, segments, texts):
    estimates = reader.perceive(segments(texts))
    assert estimates["id"].to_list() == [f"row{i}" for i in range(len(texts))]
    assert estimates["status"].is_in(["scored", "abstained", "failed"]).all()
    assert ((estimates["error"] == "") == (estimates["status"] == "scored")).all()
    assert (estimates["emotion"].is_not_null() == (estimates["status"] == "scored")).all()


def test_no_text_at_all(reader):
    assert reader.probabilities([]).shape == (0, 28)
