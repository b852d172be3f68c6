"""Strategies of emotional support: whether a supporter takes the one that is needed, or the one it likes.

After Kang and others, Can large language models be good emotional supporter? (arXiv 2402.13211).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.errors import MissingExtraError, RunError, UsageError
from affectome.evaluate import Interval, bootstrap, bootstrap_mean, f1
from affectome.evaluate.intervals import Metric
from affectome.language import Ask, Message

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SWEEPS = 20
_RESAMPLES = 200
_SHOWN_TURNS, _SHOWN_WORDS = 6, 30
_REMEMBERED = 3  # strategies of the past that count by their order
_COUNTED = 3  # uses of a strategy above which one more makes no difference
_LETTERS = "ABCDEFGH"
_SMALLEST = 1e-12


class SupportTurn(NamedTuple):
    """A turn of a talk between somebody in distress and a supporter.

    Attributes:
        speaker: Who speaks.
        text: What is said.
        strategy: Position of the supporter's strategy, -1 for the seeker or where it is not known.
    """

    speaker: Literal["seeker", "supporter"]
    text: str
    strategy: int = -1


@dataclass(frozen=True)
class SupportStrategy:
    """What a supporter can do.

    Attributes:
        name: Published name.
        aliases: Other spellings of it in corpora.
        description: What the supporter does.
    """

    name: str
    aliases: tuple[str, ...]
    description: str


class PreferenceBias(NamedTuple):
    """What a chooser prefers, whatever is needed.

    Attributes:
        preferences: ``(k,)`` preference for each strategy, 0 or more, mean 1; 1 is none.
        bias: Their standard deviation, from 0 to the root of ``k - 1``, which a chooser has that knows one strategy.
        n: Choices that could be read.
        unread: Choices that could not, which count for nothing else.
    """

    preferences: Floats
    bias: float
    n: int
    unread: int


@cache
def load_support_strategies() -> tuple[SupportStrategy, ...]:
    """The eight strategies in the order of the published tables."""
    return tuple(
        SupportStrategy(row["name"], tuple(row["aliases"]), row["description"]) for row in _table()["strategies"]
    )


def strategy_position(name: str) -> int:
    """Position of a strategy by its name or another spelling of it.

    Raises:
        UsageError: ``unknown_label``; what cannot be read is no choice of another strategy.
    """
    wanted = name.strip().casefold()
    for position, strategy in enumerate(load_support_strategies()):
        if wanted in (strategy.name.casefold(), *(alias.casefold() for alias in strategy.aliases)):
            return position
    raise UsageError(
        f"There is no strategy {name!r}.",
        code="unknown_label",
        value=name,
        allowed=[strategy.name for strategy in load_support_strategies()],
    )


def preference_bias(*, truth: ArrayLike, prediction: ArrayLike, strategies: int = 8) -> PreferenceBias:
    """Preferences of a chooser by the Bradley–Terry model, and how far they are apart.

    Each wrong choice is a game that the chosen strategy wins against the needed one. One that is never needed and
    missed but is chosen for others has a preference without limit: it gets all of it, and shares it with its like.

    Args:
        truth: ``(n,)`` positions of the strategies that are needed.
        prediction: ``(n,)`` positions of those chosen, negative where the choice cannot be read.
        strategies: Number of strategies.

    Raises:
        UsageError: If lengths differ, nothing can be read, or a position is out of range.

    Source: D. Kang and others (2024), 20 sweeps in place from equal preferences; R. Bradley and M. Terry, Biometrika 39
        (1952).
    """
    needed, chosen = np.asarray(truth, np.int64), np.asarray(prediction, np.int64)
    read = chosen >= 0
    if needed.shape != chosen.shape or needed.ndim != 1 or not read.any():
        raise UsageError(
            "There must be one choice an item.", code="shape_mismatch", value=f"{needed.shape} and {chosen.shape}"
        )
    if needed.min() < 0 or max(needed.max(), chosen.max()) >= strategies:
        raise UsageError("A strategy is not known.", code="unknown_label", value=int(max(needed.max(), chosen.max())))
    games = np.zeros((strategies, strategies))
    np.add.at(games, (chosen[read], needed[read]), 1)
    np.fill_diagonal(games, 0)
    preferences = np.ones(strategies)
    for _ in range(_SWEEPS):
        for i in range(strategies):
            preferences[i] = _preference(preferences, games, i)
        ranked = preferences[(preferences > 0) & np.isfinite(preferences)]
        preferences /= np.exp(np.log(ranked).mean()) if len(ranked) else 1.0
    without_limit = np.isinf(preferences)
    if without_limit.any():
        preferences = without_limit.astype(np.float64)
    preferences *= strategies / preferences.sum()
    return PreferenceBias(preferences, float(preferences.std()), int(read.sum()), int((~read).sum()))


def profile_strategies(
    *, truth: ArrayLike, prediction: ArrayLike, talks: Sequence[str], seed: int = 0
) -> dict[str, Interval]:
    """How often a chooser takes the strategy that was used, and what it prefers whatever is needed.

    Args:
        truth: ``(n,)`` positions of the strategies that were used.
        prediction: ``(n,)`` positions of those chosen, negative where the choice cannot be read.
        talks: Which talk each is from; intervals draw talks.
        seed: Seed of the intervals.

    Returns:
        ``macro F1``, ``weighted F1`` and ``preference bias`` of the choices that can be read, and the share ``unread``.

    Raises:
        UsageError: As `preference_bias`.
    """
    used, chosen, names = np.asarray(truth, np.int64), np.asarray(prediction, np.int64), np.asarray(talks)
    read = chosen >= 0
    metrics: dict[str, Metric] = {
        "macro F1": f1,
        "weighted F1": partial(f1, average="weighted"),
        "preference bias": lambda *, truth, prediction: preference_bias(truth=truth, prediction=prediction).bias,
    }
    found = {
        name: bootstrap(
            metric, seed=seed, resamples=_RESAMPLES, groups=names[read], truth=used[read], prediction=chosen[read]
        )
        for name, metric in metrics.items()
        if read.any()
    }
    return found | {"unread": bootstrap_mean((~read).astype(np.float64), seed=seed, groups=names)}


def _preference(preferences: Floats, games: Floats, i: int) -> float:
    """The next preference of one strategy, from the games of the pairs that played."""
    own = float(preferences[i])
    beaten, lost_to = np.flatnonzero(games[i]), np.flatnonzero(games[:, i])
    if not len(lost_to):
        return float("inf") if len(beaten) else own
    if not len(beaten):
        return 0.0
    sums = own + preferences[beaten]
    shares = np.divide(preferences[beaten], sums, out=np.zeros(len(beaten)), where=sums > 0)
    others = own + preferences[lost_to]
    inverse = np.divide(1.0, others, out=np.zeros(len(lost_to)), where=others > 0)
    against = float(games[lost_to, i] @ inverse)
    # Whoever loses only to a preference without limit has none to be compared with.
    return float(games[i, beaten] @ shares) / against if against > 0 else own


def ask_for_strategy(context: Sequence[SupportTurn]) -> Ask:
    """The request for the next strategy, one letter a strategy in their order; a talk without turns asks for a prior.

    The last 6 turns are shown with 30 words of each at most, a supporter's turn with its strategy.
    """
    table, strategies = _table(), load_support_strategies()
    options = "\n".join(
        f"{letter}) {strategy.name}: {strategy.description}"
        for letter, strategy in zip(_LETTERS, strategies, strict=True)
    )
    talk = "\n".join(_shown(turn) for turn in context[-_SHOWN_TURNS:]) or table["nothing"]
    content = table["ask"].replace("{options}", options).replace("{talk}", talk)
    return Ask((Message("system", table["system"]), Message("user", content)), choices=tuple(_LETTERS))


def _shown(turn: SupportTurn) -> str:
    said = " ".join(turn.text.split()[:_SHOWN_WORDS])
    taken = f" ({load_support_strategies()[turn.strategy].name})" if turn.strategy >= 0 else ""
    return f"{turn.speaker}{taken}: {said}"


def without_prior(probability: ArrayLike, prior: ArrayLike) -> Floats:
    """Probabilities ``(n, k)`` of a chooser, without what it says before it has read anything.

    Args:
        probability: ``(n, k)`` rows that sum to 1.
        prior: ``(k,)`` its probabilities without a talk, or their mean over other talks.

    Source: T. Zhao and others, Calibrate before use, ICML 2021.
    """
    given = np.asarray(probability, np.float64)
    return pool_choices(given, 1 / np.maximum(np.asarray(prior, np.float64), _SMALLEST)[None, :])


def pool_choices(first: ArrayLike, second: ArrayLike) -> Floats:
    """Probabilities ``(n, k)`` in proportion to the product of two choosers' probabilities."""
    logs = [np.log(np.maximum(np.asarray(side, np.float64), _SMALLEST)) for side in (first, second)]
    total = logs[0] + logs[1]
    weights = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


class StrategyPlanner:
    """Tells which strategy a good supporter would use next, from the talk so far.

    A logistic read-out, balanced over strategies, of the words of the seeker's last turns and of the strategies the
    supporter has used. Needs the ``study`` extra (scikit-learn).

    Args:
        history: Whether past strategies count.
        words: Whether the seeker's words count.
        strength: Inverse of the penalty.

    Raises:
        UsageError: ``bad_setting`` if nothing counts.
    """

    def __init__(self, *, history: bool = True, words: bool = True, strength: float = 1.0) -> None:
        if not (history or words):
            raise UsageError("A planner looks at words or at past strategies.", code="bad_setting", value=False)
        self.history, self.words, self.strength = history, words, strength
        self._model: Any = None
        self._counter: Any = None

    def fit(self, contexts: Sequence[Sequence[SupportTurn]], strategies: ArrayLike) -> StrategyPlanner:
        """Learn from talks and the ``(n,)`` positions of the strategies that followed."""
        try:
            from sklearn.linear_model import LogisticRegression
        except ModuleNotFoundError as missing:
            raise MissingExtraError.for_extra("study", missing.name or "scikit-learn") from None
        from affectome.learn.features import SparseFeatures

        if self.words:
            self._counter = SparseFeatures((1, 2), None).fit([_last_words(context) for context in contexts])
        self._model = LogisticRegression(C=self.strength, max_iter=500, class_weight="balanced")
        self._model.fit(self._features(contexts), np.asarray(strategies, np.int64))
        return self

    def predict(self, contexts: Sequence[Sequence[SupportTurn]]) -> Floats:
        """Probabilities ``(n, strategies)``; 0 for a strategy that was never seen.

        Raises:
            RunError: Nothing has been learnt yet.
        """
        if self._model is None:
            raise RunError("The planner knows nothing yet.", code="not_fitted", next_step="Call fit first.")
        probability = np.zeros((len(contexts), len(load_support_strategies())))
        probability[:, self._model.classes_] = self._model.predict_proba(self._features(contexts))
        return probability

    def _features(self, contexts: Sequence[Sequence[SupportTurn]]) -> csr_matrix:
        from scipy.sparse import csr_matrix, hstack

        parts = []
        if self.history:
            parts.append(csr_matrix(np.stack([_history(context) for context in contexts])))
        if self.words:
            parts.append(self._counter.transform([_last_words(context) for context in contexts]))
        return hstack(parts, format="csr")


def _last_words(context: Sequence[SupportTurn]) -> str:
    """What the seeker said since the supporter spoke last."""
    texts: list[str] = []
    for turn in reversed(context):
        if turn.speaker == "supporter":
            break
        texts.append(turn.text)
    return " ".join(reversed(texts))


def _history(context: Sequence[SupportTurn]) -> Floats:
    """The last strategies in their order, how often each was used, and the shape of the seeker's last turns."""
    k = len(load_support_strategies())
    used = [turn.strategy for turn in context if turn.speaker == "supporter"]
    order = np.zeros((_REMEMBERED, k + 1))  # the last column: none, or not known
    for step in range(_REMEMBERED):
        order[step, used[-1 - step] if step < len(used) else -1] = 1
    count = np.bincount([strategy for strategy in used if strategy >= 0], minlength=k)
    said = _last_words(context)
    waiting = len(context) - 1 - max((i for i, turn in enumerate(context) if turn.speaker == "supporter"), default=-1)
    shape = [min(waiting, 4) / 4, float("?" in said), np.log1p(len(said.split())) / 5]
    return np.concatenate([order.ravel(), np.minimum(count, _COUNTED) / _COUNTED, count > 0, shape])


@cache
def _table() -> dict[str, Any]:
    text = files("affectome.domains").joinpath("data/support_strategies.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
