import json
import pickle
from contextlib import suppress
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.errors import ModelError
from affectome.models import BaseModelSource, Card, FileEntry, Metric, TrainingData, write_card

MINIMAL = """
id = "tiny-en"
version = "0.1.0"
task = "text-affect"
title = "Tiny"
taxonomies = ["ekman"]
languages = ["en"]
licence = "Apache-2.0"
commercial = true
commercial_note = ""
released = 2026-11-22
training_data = []
metrics = []
intended_use = "Tests."
limits = ["None known."]

[files."model.onnx"]
sha256 = "{zeros}"
size = 3
""".replace("{zeros}", "0" * 64)

slugs = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=40)
words = texts.filter(lambda text: text.strip())
hashes = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
counts = st.integers(0, 2**62)
numbers = st.floats(allow_nan=False, allow_infinity=False)
metrics = st.builds(
    lambda bounds, **rest: Metric(low=min(bounds), high=max(bounds), **rest),
    bounds=st.tuples(numbers, numbers),
    set=words,
    metric=words,
    value=numbers,
    n=st.integers(1, 2**62),
    command=words,
    note=texts,
)
cards = st.builds(
    Card,
    id=slugs,
    version=st.just("1.20.3"),
    task=slugs,
    title=words,
    taxonomies=st.lists(words, max_size=3).map(tuple),
    languages=st.lists(words, min_size=1, max_size=3).map(tuple),
    licence=words,
    commercial=st.just(False),
    commercial_note=words,
    released=st.dates(min_value=date(1000, 1, 1)),
    training_data=st.lists(
        st.builds(TrainingData, words, words, st.sampled_from(["yes", "no", "unclear"]), words, counts), max_size=2
    ).map(tuple),
    metrics=st.lists(metrics, max_size=2).map(tuple),
    intended_use=words,
    limits=st.lists(words, min_size=1, max_size=3).map(tuple),
    files=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9._-]{0,12}\.onnx", fullmatch=True),
        st.builds(FileEntry, hashes, counts),
        min_size=1,
        max_size=3,
    ),
    base_model=st.none() | st.builds(BaseModelSource, words, words, hashes),
)


def parse(text: str) -> Card:
    return Card.parse(text.encode())


@given(cards)
def test_a_written_card_reads_back_equal(tmp_path_factory, written):
    path = tmp_path_factory.getbasetemp() / "card.toml"
    write_card(path, written)
    assert Card.parse(path.read_bytes()) == written


@given(cards)
def test_rendering_names_the_model_and_its_files(card):
    text = card.render()
    assert text.startswith(f"{card.id}@1.20.3: ")
    assert all(name in text for name in card.files)


def test_minimal_card_has_defaults_for_nothing_but_the_base_model():
    card = parse(MINIMAL)
    assert card.base_model is None
    assert card.versioned_id == "tiny-en@0.1.0"
    assert card.released == date(2026, 11, 22)
    assert card.files == {"model.onnx": FileEntry("0" * 64, 3)}


def test_as_dict_is_json_with_the_keys_of_the_file(card):
    table = json.loads(json.dumps(card.as_dict()))
    assert table["released"] == "2026-11-22"
    assert table["training_data"][0]["rows"] == 1200
    assert table["base_model"]["licence"] == "MIT"
    assert "base_model" not in replace(card, base_model=None).as_dict()


def test_render_shows_interval_licence_and_limits(card):
    text = replace(card, limits=("It reads nothing.", "long " * 60)).render()
    assert max(map(len, text.splitlines())) <= 100
    assert "0.450 to 0.550" in text
    assert "CC0-1.0" in text
    assert "- It reads nothing." in text
    assert "none, trained from scratch" in parse(MINIMAL).render()


def test_cards_survive_pickling_and_hash(card):
    assert pickle.loads(pickle.dumps(card)) == card
    assert hash(card) == hash(replace(card))


@pytest.mark.parametrize("key", [line.split(" = ")[0] for line in MINIMAL.splitlines() if " = " in line])
def test_every_key_is_needed(key):
    lines = [line for line in MINIMAL.splitlines() if not line.startswith(f"{key} = ")]
    with pytest.raises(ModelError, match=rf"{key}: this key is missing") as caught:
        parse("\n".join(lines))
    assert caught.value.code == "card_invalid"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "tiny-en"', 'id = "tiny-en"\nlicense = "MIT"', "license: this key is not known"),
        ("size = 3", "size = 3\nmode = 7", "mode: this key is not known"),
        ('id = "tiny-en"', 'id = "Tiny EN"', "^id:"),
        ('id = "tiny-en"', "id = 7", "type str"),
        ('version = "0.1.0"', 'version = "0.1"', "^version:"),
        ('version = "0.1.0"', 'version = "0.01.0"', "^version:"),
        ('task = "text-affect"', 'task = "text_affect"', "^task:"),
        ('title = "Tiny"', 'title = " "', "empty"),
        ('title = "Tiny"', 'title = "\\u001b[2J"', "control characters"),
        ('licence = "Apache-2.0"', 'licence = ""', "empty"),
        ('licence = "Apache-2.0"', 'licence = "CC-BY-NC-4.0"', "^commercial: contradicts"),
        ('licence = "Apache-2.0"', 'licence = "PolyForm-Noncommercial-1.0.0"', "^commercial: contradicts"),
        ("commercial = true", 'commercial = "yes"', "type bool"),
        ("commercial = true", "commercial = 1", "type bool"),
        ("released = 2026-11-22", 'released = "2026-11-22"', "type date"),
        ("released = 2026-11-22", "released = 2026-11-22T10:00:00", "type date"),
        ('languages = ["en"]', "languages = []", "^languages:"),
        ('languages = ["en"]', 'languages = "en"', "an array"),
        ('languages = ["en"]', "languages = [1]", r"languages\[0\]"),
        ('limits = ["None known."]', "limits = []", "^limits:"),
        ('limits = ["None known."]', 'limits = [""]', "^limits:"),
        ("metrics = []", "metrics = [3]", r"metrics\[0\]: a table"),
        ("size = 3", "size = -1", "negative"),
        ("size = 3", "size = 3.0", "type int"),
        ("size = 3", "size = true", "type int"),
        ("size = 3", f"size = 0x{'f' * 40}", "64 bits"),
        ("0" * 64, "0" * 63, "64 lower-case"),
        ("0" * 64, "A" * 64, "64 lower-case"),
        (MINIMAL[MINIMAL.index("[files") :], "[files]", "^files:"),
        (MINIMAL[MINIMAL.index("[files") :], "", "files: this key is missing"),
        ("metrics = []", "metrics = []\nfiles = 3", "not readable as TOML"),
        (MINIMAL[MINIMAL.index("[files") :], "files = 3", "files: a table is needed"),
        ("metrics = []", "metrics = [" + "[" * 5000, "not readable as TOML"),
        ("metrics = []", f"metrics = {'9' * 5000}", "not readable as TOML"),
        ("metrics = []", "#" * 1_000_001, "longer than"),
    ],
)
def test_invalid_cards_name_the_key(old, new, message):
    assert old in MINIMAL
    with pytest.raises(ModelError, match=message) as caught:
        parse(MINIMAL.replace(old, new))
    assert caught.value.code == "card_invalid"


@pytest.mark.parametrize(
    "name",
    ["../evil.onnx", "/etc/passwd.txt", "a/b.onnx", "a\\\\b.onnx", "C:x.onnx", "", ".hidden.txt", "a\\u0000.onnx", "..",
     "card.toml", "ｍodel.onnx", "x" * 129, "con\\n.txt"],
)  # fmt: skip
def test_file_names_cannot_leave_the_folder(name):
    with pytest.raises(ModelError) as caught:
        parse(MINIMAL.replace("model.onnx", name))
    assert caught.value.code == "unsafe_file"


@pytest.mark.parametrize(
    "changes",
    [
        {"commercial": "maybe"},
        {"rows": -1},
        {"licence": ""},
        {"name": "\x07"},
    ],
)
def test_training_data_is_checked(changes):
    with pytest.raises(ModelError, match="training_data"):
        TrainingData(**{"name": "a", "licence": "MIT", "commercial": "yes", "use": "labels", "rows": 1, **changes})


@pytest.mark.parametrize(
    "changes", [{"low": 0.9}, {"value": float("nan")}, {"high": float("inf")}, {"n": 0}, {"command": ""}]
)
def test_metrics_are_checked(card, changes):
    with pytest.raises(ModelError, match="metrics"):
        replace(card.metrics[0], **changes)


def test_commercial_claims_must_agree_with_the_data(card):
    taken = replace(card.training_data[0], commercial="no")
    with pytest.raises(ModelError, match="contradicts a data set"):
        replace(card, training_data=(taken,), commercial_note="We think it is fine.")
    with pytest.raises(ModelError, match="a reason is needed"):
        replace(card, training_data=(replace(taken, commercial="unclear"),))
    with pytest.raises(ModelError, match="contradicts a licence"):
        replace(card, base_model=replace(card.base_model, licence="CC-BY-NC-SA-4.0"))
    honest = replace(card, training_data=(taken,), commercial=False, commercial_note="One set is not free.")
    assert not honest.commercial


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_noise_is_an_invalid_card(raw):
    with pytest.raises(ModelError) as caught:
        Card.parse(raw)
    assert caught.value.code == "card_invalid"


@given(st.sampled_from(MINIMAL.splitlines()), st.text(max_size=12))
def test_a_changed_line_never_raises_anything_but_our_error(line, noise):
    with suppress(ModelError):
        parse(MINIMAL.replace(line, line[: len(line) // 2] + noise))
