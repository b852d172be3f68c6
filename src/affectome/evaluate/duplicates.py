"""Near-duplicates among texts: posts that were copied, shared again or changed by a word.

Two texts are near-duplicates if the Jaccard similarity of their sets of character 5-grams reaches a threshold. All
such pairs are found without comparing all pairs: put the 5-grams of every text into one common order, rarest first;
then texts of similarity s share one of their first a - ceil(s·a) + 1, where a is their number (prefix filtering; R. J.
Bayardo, Y. Ma and R. Srikant, WWW 2007). What shares one is sifted by size and by a parity sketch, which bounds the
number of 5-grams that only one side has, and is then compared exactly.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError

_GRAM = 5
_PADDING = "\0"  # fills a shorter text up to one 5-gram
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_USER = re.compile(r"@\w+")

_BLOCK = 1_000_000
"""Characters hashed at a time; a text has at least five, so the number of a text in its block needs 18 bits."""
_HASH_BITS = 38
_RARITY_BITS = 8
_SKETCH_WORDS = 4
_SMALL = 32
"""Texts that share a 5-gram and are compared pair by pair at once; more are walked through one by one."""

_Words = NDArray[np.uint64]
_Ints = NDArray[np.int64]


class _Sketches(NamedTuple):
    """What sifts pairs: ``(n,)`` number of 5-grams of each text and ``(words, n)`` parities of their hashes."""

    size: _Ints
    parity: _Words


def near_duplicates(texts: Sequence[str], *, similarity: float = 0.8) -> _Ints:
    """The cluster of each text; texts of one cluster are linked by a chain of near-duplicates.

    Upper and lower case, white space, links and the names of users make no difference. A text of nothing but those is
    compared as it stands, and an empty one is like no other.

    Args:
        texts: ``n`` texts.
        similarity: Jaccard similarity of the character 5-grams from which on two texts are near-duplicates, 0.5 to 1.

    Returns:
        ``(n,)`` cluster numbers from 0 in the order of first appearance.

    Raises:
        UsageError: If something other than texts is given, or the similarity is out of range.
    """
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise UsageError(
            "Near-duplicates are looked for in a list of texts.",
            code="not_texts",
            value=next((text for text in texts if not isinstance(text, str)), texts),
            next_step="Use an empty text where there is none.",
        )
    if not 0.5 <= similarity <= 1:
        raise UsageError(
            "The similarity must lie in 0.5 to 1.", code="bad_similarity", value=similarity, allowed=("0.5 to 1",)
        )
    normal = [_normal(text) for text in texts]
    number = {text: place for place, text in enumerate(dict.fromkeys(text for text in normal if text))}
    roots = _link(list(number), similarity).tolist()
    cluster: dict[int, int] = {}
    # An empty text hangs together with nothing, so its row, counted below 0, names its cluster.
    names = [roots[number[text]] if text else -1 - row for row, text in enumerate(normal)]
    return np.array([cluster.setdefault(name, len(cluster)) for name in names], dtype=np.int64)


class Links:
    """Which of ``n`` things hang together (union and find); the lowest number of a set stands for it."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, thing: int) -> int:
        """The lowest number among those that ``thing`` hangs together with."""
        parent = self._parent
        while parent[thing] != thing:
            parent[thing] = thing = parent[parent[thing]]
        return thing

    def join(self, first: int, second: int) -> None:
        """Puts the sets of both together."""
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low

    def roots(self) -> _Ints:
        """``(n,)`` the lowest number of the set of each thing."""
        return np.array([self.find(thing) for thing in range(len(self._parent))], dtype=np.int64)


def _normal(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    bare = " ".join(_USER.sub("@", _LINK.sub(" ", plain)).split())
    return bare if bare.strip("@ ") else " ".join(plain.split())


def _link(texts: list[str], similarity: float) -> _Ints:
    links = Links(len(texts))
    prefixes, owners, sketches = _index(texts, similarity)
    order = np.argsort(prefixes, kind="stable")
    prefixes, owners = prefixes[order], owners[order]
    starts = np.flatnonzero(np.diff(prefixes, prepend=~prefixes[:1]))
    sizes = np.diff(np.append(starts, len(prefixes)))
    small = np.repeat(sizes <= _SMALL, sizes)
    for first, second in _small_pairs(prefixes[small], owners[small], sketches, similarity):
        if links.find(first) != links.find(second) and _similar(texts[first], texts[second], similarity):
            links.join(first, second)
    for start, size in zip(starts[sizes > _SMALL].tolist(), sizes[sizes > _SMALL].tolist(), strict=True):
        _walk(owners[start : start + size], texts, sketches, links, similarity)
    return links.roots()


def _index(texts: list[str], similarity: float) -> tuple[_Words, _Ints, _Sketches]:
    """The first 5-grams of each text, rarest first, with the text each belongs to; and the sketches of all texts."""
    counters = 1 << min(22, max(10, sum(map(len, texts)).bit_length()))
    seen = np.zeros(counters, dtype=np.int64)
    for _, _, hashed in _hashes(texts):
        seen += np.bincount((hashed % counters).astype(np.int64), minlength=counters)
    # Any order will do that is the same for all texts; counters that two 5-grams share only make it less good.
    rarity = np.minimum(np.log2(seen + 1) * 8, (1 << _RARITY_BITS) - 1).astype(np.uint64)
    size = np.zeros(len(texts), dtype=np.int64)
    parity = np.zeros((_SKETCH_WORDS, len(texts)), dtype=np.uint64)
    prefixes, owners = [np.empty(0, dtype=np.uint64)], [np.empty(0, dtype=np.int64)]
    for begin, owner, hashed in _hashes(texts):
        token = (rarity[hashed % counters] << _HASH_BITS) | (hashed >> (64 - _HASH_BITS))
        token_bits = _HASH_BITS + _RARITY_BITS
        keys = np.unique((owner.astype(np.uint64) << token_bits) | token)
        owner, token = (keys >> token_bits).astype(np.int64), keys & np.uint64((1 << token_bits) - 1)
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        count = np.diff(np.append(starts, len(owner)))
        chosen = slice(begin, begin + len(count))
        size[chosen] = count
        bit = np.uint64(1) << (token & np.uint64(63))
        for word in range(_SKETCH_WORDS):
            own = (token >> np.uint64(6)) % _SKETCH_WORDS == word
            parity[word, chosen] = np.bitwise_xor.reduceat(np.where(own, bit, np.uint64(0)), starts)
        length = count - np.ceil(similarity * count - 1e-9).astype(np.int64) + 1
        front = np.arange(len(owner)) - np.repeat(starts, count) < np.repeat(length, count)
        prefixes.append(token[front])
        owners.append(begin + owner[front])
    return np.concatenate(prefixes), np.concatenate(owners), _Sketches(size, parity)


def _hashes(texts: list[str]) -> Iterator[tuple[int, _Ints, _Words]]:
    """Blocks of texts: the number of the first text, the text within the block of each 5-gram, and its hash."""
    begin = 0
    while begin < len(texts):
        end, length = begin, 0
        while end < len(texts) and (end == begin or length + len(texts[end]) <= _BLOCK):
            length += max(len(texts[end]), _GRAM)
            end += 1
        padded = [text.ljust(_GRAM, _PADDING) for text in texts[begin:end]]
        joined = "".join(padded).encode("utf-32-le", errors="surrogatepass")
        letters = np.frombuffer(joined, dtype="<u4").astype(np.uint64)
        lengths = np.array([len(text) for text in padded])
        first = np.repeat(lengths.cumsum() - _GRAM, lengths)
        valid = np.flatnonzero(np.arange(len(letters)) <= first)  # a 5-gram does not reach into the next text
        hashed = np.zeros(len(valid), dtype=np.uint64)
        for step in range(_GRAM):
            hashed = _mix(hashed ^ letters[valid + step])
        yield begin, np.repeat(np.arange(end - begin), lengths - _GRAM + 1), hashed
        begin = end


def _mix(values: _Words) -> _Words:
    """Spreads values over 64 bits (the finaliser of SplitMix64; G. Steele and others, OOPSLA 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


def _small_pairs(prefixes: _Words, owners: _Ints, sketches: _Sketches, similarity: float) -> list[tuple[int, int]]:
    """Pairs of texts that share one of the rarer 5-grams and pass the sieve."""
    found = [np.empty((0, 2), dtype=np.int64)]
    for step in range(1, _SMALL):
        shared = np.flatnonzero(prefixes[:-step] == prefixes[step:])
        if not len(shared):
            break
        first, second = owners[shared], owners[shared + step]
        passed = _may_be_similar(first, second, sketches, similarity)
        found.append(np.stack([first[passed], second[passed]], axis=1))
    return [(first, second) for first, second in np.unique(np.concatenate(found), axis=0).tolist()]


def _walk(members: _Ints, texts: list[str], sketches: _Sketches, links: Links, similarity: float) -> None:
    """Links those of many texts that are similar; whatever is linked already is not compared again."""
    pending = members
    roots = np.array([links.find(member) for member in members.tolist()])
    while len(pending):
        reached = [int(pending[0])]
        pending, roots = pending[1:], roots[1:]
        while reached and len(pending):
            text = reached.pop()
            linked = roots == links.find(text)
            for place in np.flatnonzero(~linked & _may_be_similar(np.array([text]), pending, sketches, similarity)):
                if not linked[place] and _similar(texts[text], texts[pending[place]], similarity):
                    links.join(text, int(pending[place]))
                    linked |= roots == roots[place]
            reached += pending[linked].tolist()
            pending, roots = pending[~linked], roots[~linked]


def _may_be_similar(first: _Ints, second: _Ints, sketches: _Sketches, similarity: float) -> NDArray[np.bool_]:
    """False only for pairs that cannot reach the similarity: too many 5-grams belong to one side alone."""
    one, other = sketches.size[first], sketches.size[second]
    allowed = (one + other) * (1 - similarity) / (1 + similarity) + 1e-9
    apart = np.zeros(len(allowed), dtype=np.int64)
    for parity in sketches.parity:
        apart += np.bitwise_count(parity[first] ^ parity[second])
    return np.asarray((np.abs(one - other) <= allowed) & (apart <= allowed))


def _similar(first: str, second: str, similarity: float) -> bool:
    one, other = _grams(first), _grams(second)
    shared = len(one & other)
    return shared >= similarity * (len(one) + len(other) - shared) - 1e-9


def _grams(text: str) -> set[str]:
    padded = text.ljust(_GRAM, _PADDING)
    return {padded[start : start + _GRAM] for start in range(len(padded) - _GRAM + 1)}
