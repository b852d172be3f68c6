"""Lists of texts of which one differs keep the numbers of their file."""

import json

import pytest

from affectome.errors import InputError
from affectome.language.emotion_detection import load_text_lists


def row(first=0, gold=1):
    texts = ["I am calm", "I am afraid", "all is well"]
    return {"text": [{"index": first + k, "context": text} for k, text in enumerate(texts)], "ground_truth": gold}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "lists.jsonl"
    path.write_text(json.dumps(row()) + "\n" + json.dumps(row(5, 7)) + "\n", encoding="utf-8")
    return path


def test_the_numbers_are_those_of_the_file(path):
    first, second = load_text_lists(path)
    assert (first.texts[first.gold], second.texts[second.gold]) == ("I am afraid", "all is well")
    assert "[7] all is well" in second.ask().messages[0].content
    assert '{"index": 0}' in second.ask().messages[0].content


@pytest.mark.parametrize("content", ["", "{", "[]", '{"text": []}', json.dumps(row(gold=9))])
def test_files_in_another_layout_are_refused(tmp_path, content):
    path = tmp_path / "lists.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_text_lists(path)
    assert caught.value.code == "bad_corpus"


@pytest.mark.data
def test_the_published_lists(corpora):
    if not (corpora / "longemotion").is_dir():
        pytest.skip("AFFECTOME_DATA has no longemotion")
    lists = load_text_lists(corpora / "longemotion" / "Emotion_Detection.jsonl")
    assert (len(lists), {len(each.texts) for each in lists} <= set(range(26, 37))) == (136, True)
