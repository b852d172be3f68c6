"""Posts as tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectome.perceive import PostCleaner

_CLEANED = [
    # entities, case, quotation marks, invisible characters
    ("Fish &amp; Chips &lt;3", "fish & chips <3"),
    ("it&#39;s DOWN", "it is down"),
    ("“so” it’s over", '" so " it is over'),
    ("zero\u200bwidth", "zerowidth"),
    # users, links, mail, pictures, times, remarks
    ("@jo_2 thanks", "<user> thanks"),
    ("see https://example.org/a?b=c now", "see <link> now"),
    ("www.example.org/x is down", "<link> is down"),
    ("example.com is down", "<link> is down"),
    ("write to jo.doe@example.org please", "write to please"),
    ("chart.PNG looks bad", "looks bad"),
    ("open at 10:30am or 16:00:05 sharp", "open at or sharp"),
    ("[image of a cat] hello", "hello"),
    # tickers and numbers
    ("$ABC to the moon", "<ticker> to the moon"),
    ("$abc.b up", "<ticker> up"),
    ("sold at $1,250.50 today", "sold at $ <number> today"),
    ("up +5.3% or .5", "up + <number> % or <number>"),
    ("500k in the 3rd year", "<number> in the <number> year"),
    ("q2 and covid19", "q2 and covid19"),
    # pictographs
    ("great 😂", "great 😂"),
    ("up🚀up", "up 🚀 up"),
    ("👍🏽 ok", "👍 ok"),
    ("❤️", "❤"),
    ("👩‍🚀 flies", "👩‍🚀 flies"),
    ("🇺🇸🇩🇪 win", "🇺🇸 🇩🇪 win"),
    ("1️⃣ first", "1⃣ first"),
    ("🚀🚀🚀🚀🚀", "🚀 🚀"),
    # emoticons
    ("fine :-)", "fine :)"),
    ("fine:)", "fine :)"),
    ("XD :-D", ":D :D"),
    ("oh =( no :'(", "oh :( no :'("),
    ("hmm :-/ -_-", "hmm :/ :/"),
    ("said:(quietly) and (loudly): yes", "said : ( quietly ) and ( loudly ) : yes"),
    # contractions
    ("I'm sure they don't", "i am sure they do not"),
    ("can't, won't, dont", "can not , will not , do not"),
    ("they'd go, we'll stay", "they would go , we will stay"),
    ("gonna rock'n'roll", "going to rock'n'roll"),
    # repetition
    ("sooooo goood", "soo good"),
    ("buy buy buy buy now!!!!!", "buy buy now ! !"),
    # hashtags and abbreviations
    ("#ToTheMoon #stock_market", "to the moon stock market"),
    ("the U.S. market", "the us market"),
    # nothing left
    ("$ABC $XYZ 100% @jo", ""),
    ("?!", ""),
    ("", ""),
]


def test_there_are_forty_cases():
    assert len(_CLEANED) >= 40


@pytest.mark.parametrize(("post", "tokens"), _CLEANED)
def test_examples(post, tokens):
    assert PostCleaner()(post) == tokens


def test_symbols_that_are_not_known_are_told_apart():
    cleaner = PostCleaner(tickers=frozenset({"abc"}))
    assert cleaner("$ABC or $XYZ?") == "<ticker> or <unknown> ?"


def test_the_longest_name_of_a_company_counts():
    cleaner = PostCleaner(companies=frozenset({"acme", "acme steel works", "globex"}))
    assert cleaner("Acme Steel Works beats Acme and Globex") == "<company> beats <company> and <company>"
    assert cleaner("acme steel falls") == "<company> steel falls"


def test_without_pictographs_only_they_are_missing():
    plain = PostCleaner(pictographs=False)
    assert plain("up 🚀 we go :) <3") == "up we go"
    assert plain("🚀🚀") == ""


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=120))
def test_any_post_becomes_tokens_with_at_most_two_alike_in_a_row(post):
    tokens = PostCleaner()(post).split(" ")
    assert all(len(set(tokens[i : i + 3])) > 1 for i in range(len(tokens) - 2))


@pytest.mark.parametrize("part", ["a.", "a-", "[a", "1:1", "#1", "_", "@a.", "$", ":-", "\u200d🚀", "a@a.", "1,"])
def test_a_long_post_takes_no_time(part):
    assert isinstance(PostCleaner()(part * 4_000), str)
