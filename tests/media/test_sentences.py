import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.media import split_sentences

PIECES = st.sampled_from(
    ["Hi", "a", "Dr", "U.S", "3", "e.g", ".", "..", "!", "?", "…", "\"", "”", ")", " ", "  ", "\n",
     "\r\n", "\u2028", "😀", "❤️", "。", "好", "http://x.y/z?a=B", "\x1f", "\x85", "I"]
)  # fmt: skip


@pytest.mark.parametrize(
    "marked",
    [
        "Dr. Smith paid $3.50 at 5 p.m. yesterday.| He left.",
        "He came at 5 p.m.| Then he left.",
        "i went home.| it was late... so tired",
        "Well... maybe.| OK…| Fine!",
        "We waited...| Nobody came.",
        '"What?" he said.| "No!"| She left.',
        "He said “Go.”| They went (slowly.)| End",
        "omg!!!| so happy 😊 thx",
        "omg!!! 😂😂| so happy 😊|\n\nthx",
        "I love this place 😍| Thanks everyone",
        "I ❤️ NY so much",
        "see https://a.b/c?x=1.2&y=Z.| Then go",
        "1. First thing|\n2. Second thing",
        "It ended in 1999.| Then came 12.| Ok",
        "J. R. Smith met U.S. troops.| Good.",
        "No.| I won't.| See No. 5.",
        "wow!|Great",
        "今天很好。|我们去。",
        "Is it 10?| Yes!| Then ok.",
        "He said etc. and left.| Pens, etc.| Then ink.",
        "Mr. and Mrs. Lee vs. the city, i.e. us.",
        "really?!| yes",
        "the end.|\n- a list item|\n- another one",
        "a line that\ngoes on",
        "a line that|\n\nstops",
        "One line|\r\nTwo lines",
        " . |  ?",
        "",
    ],
)
def test_posts_and_prose(marked):
    expected = [part.strip() for part in marked.split("|") if part]
    text = marked.replace("|", "")
    assert [text[start:end] for start, end in split_sentences(text)] == expected


@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60))
def test_spans_cover_all_that_is_not_space(text):
    spans = split_sentences(text)
    end_before = 0
    for start, end in spans:
        assert end_before <= start < end
        assert not text[end_before:start].strip()
        assert text[start:end] == text[start:end].strip()
        end_before = end
    assert not text[end_before:].strip()


@pytest.mark.parametrize("unit", ["😀", "😀 ", ".", ". ", "! ", "a", "a. ", "\n", "a\n", " ", '"', "e.g. ", "😀\n"])
def test_time_is_linear(unit):
    text = unit * (200_000 // len(unit))
    assert sum(end - start for start, end in split_sentences(text)) <= len(text)
