from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.media import LanguageGuess, detect_language, is_english

FOLDER = Path(__file__).with_name("languages")
LINES = {path.stem: path.read_text(encoding="utf-8").splitlines() for path in FOLDER.glob("*.txt")}
OTHERS = ["ar", "de", "es", "fr", "hi", "it", "nl", "pl", "pt", "ru", "tr", "zh"]


def test_the_lines_are_many_enough_to_judge_by():
    assert sorted(LINES) == sorted(["en", *OTHERS])
    assert len(set(LINES["en"])) == 120
    assert all(len(set(LINES[code])) >= 25 for code in OTHERS)


def test_at_most_one_english_line_in_a_hundred_is_rejected():
    rejected = [line for line in LINES["en"] if is_english(line) is False]
    assert len(rejected) <= 0.01 * len(LINES["en"]), rejected


@pytest.mark.parametrize("code", OTHERS)
def test_nine_in_ten_lines_of_other_languages_are_rejected(code):
    missed = [line for line in LINES[code] if is_english(line) is not False]
    assert len(missed) <= 0.1 * len(LINES[code]), missed


@pytest.mark.parametrize("code", OTHERS)
def test_most_lines_get_their_language(code):
    hits = sum(detect_language(line).code == code for line in LINES[code])
    assert hits >= 0.85 * len(LINES[code])


@pytest.mark.parametrize(
    "text",
    ["I am so happy for you", "that's it", "don’t", "WHY WOULD THEY DO THIS", "@ana #amor this is so good https://t.co/x",
     "The show was called La Casa de Papel", "Stocks fell sharply amid inflation fears",
     "Heavy rain causes flooding across northern Wales"],
)  # fmt: skip
def test_english(text):
    assert is_english(text) is True


@pytest.mark.parametrize(
    "text",
    ["", "   ", "😂😂", "123 456", "lol", "omg noooo", "ok lol haha", "Maria Lopez", "@ana @bob", "https://example.org/das-ist",
     "Giuseppe Verdi Roberto Baggio Paolo Rossi", "¯\\_(ツ)_/¯", "ಠ_ಠ", "xd jajaja", "hmm ok", "Berlin"],
)  # fmt: skip
def test_too_little_evidence(text):
    assert is_english(text) is None


@pytest.mark.parametrize("text", ["谢谢", "привет", "धन्यवाद", "ありがとう lol", "ICH BIN HEUTE SO MÜDE VON DER ARBEIT"])
def test_other_languages(text):
    assert is_english(text) is False


@pytest.mark.parametrize(
    "text",
    ["𝓘 𝓵𝓸𝓿𝓮 𝔂𝓸𝓾", "Ｉ ｌｏｖｅ ｙｏｕ ｓｏ ｍｕｃｈ", "idk ¯\\_(ツ)_/¯ this is what it is", "the café naïve résumé"],
)
def test_styled_latin_is_no_foreign_script(text):
    assert is_english(text) is not False


def test_only_the_beginning_of_a_long_text_counts():
    english, german = "this is what they said about it. ", "das ist alles was ich dir noch sagen wollte. "
    assert is_english(english * 100 + german * 1000) is True
    assert is_english(german * 100 + english * 1000) is False


def test_no_words_have_no_language():
    assert detect_language("😂 123 https://a.b") == LanguageGuess("und", 0.0)


@given(st.text(max_size=40))
def test_any_text_gets_an_answer(text):
    assert is_english(text) in {True, False, None}
    guess = detect_language(text)
    assert 0.0 <= guess.probability <= 1.0
    assert guess == detect_language(text)
