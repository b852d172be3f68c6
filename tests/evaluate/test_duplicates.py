import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectome.errors import UsageError
from affectome.evaluate import duplicates, near_duplicates

# Few letters make near-duplicates, and 5-grams that many texts share, frequent.
short_texts = st.lists(st.text("ab !é", max_size=14), max_size=40)
similarities = st.sampled_from([0.5, 0.65, 0.8, 0.9, 1.0])


def grams(text):
    return {text[i : i + 5] for i in range(len(text) - 4)} or {text}


def compared_one_by_one(texts, similarity):
    """The definition itself, for texts without links and names of users."""
    plain = [" ".join(text.casefold().split()) for text in texts]
    cluster = list(range(len(texts)))
    for i, first in enumerate(plain):
        for j, second in enumerate(plain[:i]):
            one, other = grams(first), grams(second)
            alike = first and second and len(one & other) >= similarity * len(one | other) - 1e-9
            if alike and cluster[i] != cluster[j]:
                old, new = cluster[i], cluster[j]
                cluster = [new if c == old else c for c in cluster]
    return first_appearance(cluster)


def first_appearance(cluster):
    number = {}
    return [number.setdefault(c, len(number)) for c in cluster]


@settings(max_examples=150)
@given(short_texts, similarities)
def test_clusters_are_those_of_comparing_all_pairs(texts, similarity):
    assert near_duplicates(texts, similarity=similarity).tolist() == compared_one_by_one(texts, similarity)


@pytest.mark.parametrize("block", [40, 1_000_000])
@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8])
def test_many_texts_that_share_the_same_words(monkeypatch, similarity, block):
    monkeypatch.setattr(duplicates, "_BLOCK", block)  # texts of several blocks must still meet
    rng = random.Random(3)
    words = ["rain", "today", "again", "lovely", "never"]
    texts = [" ".join(rng.choices(words, k=rng.randint(2, 6))) for _ in range(150)]
    found = near_duplicates(texts, similarity=similarity).tolist()
    assert found == compared_one_by_one(texts, similarity)
    assert 1 < max(found) + 1 < len(set(texts))  # something is linked beyond equal texts, and not everything


@given(short_texts, st.randoms(use_true_random=False))
def test_order_of_the_texts_does_not_matter(texts, rng):
    order = list(range(len(texts)))
    rng.shuffle(order)
    cluster = near_duplicates(texts)
    shuffled = near_duplicates([texts[i] for i in order])
    assert shuffled.tolist() == first_appearance(cluster[order].tolist())


@given(st.lists(st.text(max_size=12), max_size=20))
def test_any_text_is_its_own_duplicate_unless_it_is_empty(texts):
    cluster = near_duplicates(texts + texts)
    for i, text in enumerate(texts):
        assert (cluster[i] == cluster[i + len(texts)]) == bool(text.split())


def test_what_makes_no_difference():
    assert near_duplicates(
        [
            "So glad we came here!",
            "so  GLAD we came\there! https://t.example/abc",
            "So glad we left there?",
            "@anna so what do you think",
            "@bert42 so what do you think",
            "https://t.example/k2VbwQ9",
            "https://t.example/Xy7LmPz",
            "",
            " ",
            "😀😀😀",
            "😀😀😀",
            "\ud800 broken",
        ]
    ).tolist() == [0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8]


def test_similarity_by_hand():
    # 5-grams: abcde bcdef cdefg defgh against bcdef cdefg defgh efghi: three of five.
    pair = ["abcdefgh", "bcdefghi"]
    assert near_duplicates(pair, similarity=0.6).tolist() == [0, 0]
    assert near_duplicates(pair, similarity=0.61).tolist() == [0, 1]


def test_a_chain_is_one_cluster():
    chain = ["abcdefghijkl", "bcdefghijklm", "cdefghijklmn", "defghijklmno"]
    assert near_duplicates(chain, similarity=0.7).tolist() == [0, 0, 0, 0]
    assert near_duplicates(chain[::3], similarity=0.7).tolist() == [0, 1]


def test_campaigns_of_one_template_take_no_quadratic_time():
    rng = random.Random(0)
    texts = [
        f"Win a phone, answer {rng.randrange(10**6)} before midnight and tell all your friends" for _ in range(2000)
    ]
    begin = time.process_time()
    assert near_duplicates(texts).max() == 0
    assert time.process_time() - begin < 10  # two million pairs one by one take far longer


@pytest.mark.parametrize("texts", ["a text", ["a", None], [1, 2]])
def test_only_lists_of_texts_are_taken(texts):
    with pytest.raises(UsageError) as error:
        near_duplicates(texts)
    assert error.value.code == "not_texts"


@pytest.mark.parametrize("similarity", [0.2, 1.1, float("nan")])
def test_similarity_out_of_range(similarity):
    with pytest.raises(UsageError) as error:
        near_duplicates(["a"], similarity=similarity)
    assert error.value.code == "bad_similarity"


def test_nothing_in_nothing_out():
    assert near_duplicates([]).dtype == np.int64
    assert near_duplicates([]).tolist() == []
