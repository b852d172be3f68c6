"""How good an explanation looks without a person: length, words shared with the post, likelihood under a model.

None of them knows whether an explanation is right. Whether one is worth more than the length of the text shows only
within one writer of explanations: over good and bad writers together, all that tells them apart agrees with people.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affectome.errors import UsageError
from affectome.language import Ask, ChatModel, Message
from affectome.perceive.cleaning import clean

Floats = NDArray[np.float64]


def log_length(explanations: Sequence[str]) -> Floats:
    """``(n,)`` logarithm of one more than the number of words: the baseline of every other measure."""
    return np.log1p([len(text.split()) for text in explanations])


def shared_words(posts: Sequence[str], explanations: Sequence[str]) -> Floats:
    """``(n,)`` cosine, 0 to 1, of the words of post and explanation by tf-idf; 0 without words.

    How rare a word is, is counted in the given texts. Needs the ``study`` extra (scikit-learn).

    Raises:
        UsageError: ``shape_mismatch``, or ``no_ngrams`` if there is no word at all.
    """
    from affectome.learn.features import SparseFeatures

    _check(posts, explanations)
    words = SparseFeatures((1, 1), None, minimum=1).fit([*posts, *explanations])
    return np.asarray(words.transform(posts).multiply(words.transform(explanations)).sum(axis=1), np.float64).ravel()


def copied_share(posts: Sequence[str], explanations: Sequence[str]) -> Floats:
    """``(n,)`` share of the explanation, 0 to 1, that stands in the post in the same order; 0 without words.

    The precision of ROUGE-L, by the longest common subsequence of words.

    Raises:
        UsageError: ``shape_mismatch``.

    Source: C.-Y. Lin, ROUGE, ACL workshop 2004.
    """
    _check(posts, explanations)
    return np.array(
        [
            _common(clean(post).lower().split(), words) / len(words) if words else 0.0
            for post, words in zip(posts, (clean(text).lower().split() for text in explanations), strict=True)
        ]
    )


def likelihood(
    model: ChatModel,
    posts: Sequence[str],
    explanations: Sequence[str],
    *,
    question: str,
    post_words: int = 60,
    explanation_words: int = 50,
) -> Floats:
    """``(n,)`` mean log-probability of a word of the explanation as the reply to post and question, in nats.

    The formula of BARTScore from post to explanation, under a model of any kind, and by words, so that models with
    other tokens compare; NaN for an explanation without words or a model that does not tell.

    Args:
        model: Who tells probabilities.
        posts: ``n`` posts; an empty one asks the question alone.
        explanations: ``n`` explanations.
        question: What was asked.
        post_words: Words read of a post.
        explanation_words: Words read of an explanation.

    Raises:
        UsageError: ``shape_mismatch``.
        ModelError: The model cannot answer at all.

    Source: W. Yuan and others, BARTScore, NeurIPS 2021.
    """
    _check(posts, explanations)
    values = np.full(len(posts), np.nan)
    for i, (post, explanation) in enumerate(zip(posts, explanations, strict=True)):
        words = explanation.split()[:explanation_words]
        if words:
            text = " ".join(words)
            asked = f"{' '.join(post.split()[:post_words])}\n\n{question}".strip()
            # A choice of one is a reply whose probability is told.
            reply = model.answer(Ask((Message("user", asked),), choices=(text,)))
            values[i] = reply.scores.get(text, np.nan) / len(words)
    return values


def _check(posts: Sequence[str], explanations: Sequence[str]) -> None:
    if len(posts) != len(explanations):
        raise UsageError(
            "There must be one post an explanation.",
            code="shape_mismatch",
            value=f"{len(posts)} and {len(explanations)}",
        )


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    reached = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for k, other in enumerate(second, start=1):
            diagonal, reached[k] = reached[k], diagonal + 1 if word == other else max(reached[k], reached[k - 1])
    return reached[-1]
