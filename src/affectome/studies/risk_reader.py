"""A reader of risk in Chinese messages: characters in a row and classes of words, three ways to the same classes.

Chinese is written without spaces, and the encoder of the package knows few of its characters, so a message is read as
runs of one to four characters after Unicode normalisation, without cutting it into words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from affectome.domains import load_risk_routing
from affectome.evaluate import folds, near_duplicates
from affectome.studies.risk_messages import Messages, urgencies
from affectome.studies.study import Context

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SHORT, _LONG = {"ngram_range": (1, 2), "min_df": 1}, {"ngram_range": (1, 4), "min_df": 2}
_WORDS_SHARE = 0.3  # weight of the classes of words beside n-grams of unit length
_SMALLEST = 1e-12
_FOLDS = 5


class _Model(Protocol):
    classes_: NDArray[np.bool_]

    def predict_proba(self, rows: csr_matrix) -> Floats: ...


@dataclass(frozen=True)
class RiskWords:
    """Classes of words that a message can hold.

    Attributes:
        words: Words by class.
        pairs: Classes that mean more together.
        rules: Classes that have to occur together, and the class of risk they speak for; the first that fits decides.
    """

    words: Mapping[str, Sequence[str]]
    pairs: Sequence[tuple[str, str]]
    rules: Sequence[tuple[Sequence[str], str]]

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> RiskWords:
        """The words of a table as in ``data/psyguard.toml``."""
        pairs = [(first, second) for first, second in table["together"]["pairs"]]
        return cls(table["words"], pairs, [(rule["words"], rule["class"]) for rule in table["rules"]])

    def counts(self, messages: Sequence[str]) -> Floats:
        """``(n, classes + pairs + 1)`` logarithms of 1 + count, their products for the pairs, and a length."""
        single = np.log1p([[sum(map(text.count, own)) for own in self.words.values()] for text in messages])
        single = single.reshape(len(messages), len(self.words))
        place = {name: i for i, name in enumerate(self.words)}
        both = [single[:, place[first]] * single[:, place[second]] for first, second in self.pairs]
        length = np.log1p([len(text) for text in messages]) / 5  # as large as the others
        return np.column_stack([single, *both, length])

    def by_rule(self, message: str) -> str:
        """The class of risk by the first rule that fits; unrelated if none does."""
        found = {name for name, own in self.words.items() if any(word in message for word in own)}
        return next((label for needed, label in self.rules if set(needed) <= found), "unrelated")


def normalised(message: str) -> str:
    """A message in Unicode's compatibility form, in lower case and without space at its ends."""
    return unicodedata.normalize("NFKC", message).lower().strip()


@dataclass(frozen=True, eq=False)
class Read:
    """What a reader makes of messages.

    Attributes:
        classes: ``(n, 11)`` calibrated probabilities.
        urgent: ``(n,)`` calibrated probability of the most urgent band.
    """

    classes: Floats
    urgent: Floats


class RiskReader:
    """Reads the class of risk and whether a message is urgent.

    One read-out gives the classes directly. One decides first whether there is any risk, then which. One goes along
    the continuum: any risk, which branch (suicidality, self-injury, aggression), and then how far, by one decision a
    step on all messages of the branch, so that neighbouring classes share what they have in common. Their mean is the
    answer.

    Args:
        words: Classes of words.
        inverse_strength: Inverse of the penalty of all logistic read-outs.
    """

    def __init__(self, words: RiskWords, inverse_strength: float = 50.0) -> None:
        self._words, self._inverse_strength = words, inverse_strength
        classes = load_risk_routing().classes
        self._calm = next(i for i, risk in enumerate(classes) if risk.level == 0)
        levels = {i: risk.level for i, risk in enumerate(classes) if risk.level}
        self._continuum = sorted(levels, key=levels.__getitem__)
        injury = [i for i, risk in enumerate(classes) if "self-injury" in risk.id]
        aggression = [i for i, risk in enumerate(classes) if "aggression" in risk.id]
        self._branches = (self._continuum, injury, aggression)
        self._urgent = [i for i, risk in enumerate(classes) if risk.band == "immediate"]
        self._width = len(classes)

    def fit(self, messages: Sequence[str], labels: Ints) -> RiskReader:
        """Learn from normalised messages with one class each (n,), by its position in the risk table."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._grams = [TfidfVectorizer(analyzer="char", sublinear_tf=True, **sizes) for sizes in (_SHORT, _LONG)]
        short, long = (self._with_words(grams.fit_transform(messages), messages) for grams in self._grams)
        risk = labels != self._calm
        self._any = [self._logistic(rows, risk) for rows in (short, long)]
        self._direct = self._each(short, labels, range(self._width))
        self._which = self._each(long[risk], labels[risk], range(self._width))
        branch = np.full(len(labels), -1)
        for number, members in enumerate(self._branches):
            branch[np.isin(labels, members)] = number
        self._branch = self._each(short[risk], branch[risk], range(len(self._branches)))
        self._further = []
        for members in self._branches:
            own = np.isin(labels, members)
            place = np.array([members.index(label) for label in labels[own]], np.int64)
            self._further.append([self._logistic(short[own], place >= step) for step in range(1, len(members))])
        self._urgency = self._logistic(short, np.isin(labels, self._urgent))
        return self

    def classes(self, messages: Sequence[str]) -> Floats:
        """Probabilities (n, classes) that sum to 1."""
        short, long = self._features(messages)
        direct = _shared(self._direct, short, self._width)
        return np.asarray((direct + self._two_steps(long) + self._along(short)) / 3)

    def urgency(self, messages: Sequence[str]) -> Floats:
        """Score (n,) in [0, 1] that grows with the chance that a message belongs to the most urgent band."""
        return _chance(self._urgency, self._features(messages)[0])

    def _two_steps(self, rows: csr_matrix) -> Floats:
        risk = _chance(self._any[1], rows)
        found = _shared(self._which, rows, self._width) * risk[:, None]
        found[:, self._calm] = 1 - risk
        return found

    def _along(self, rows: csr_matrix) -> Floats:
        risk = _chance(self._any[0], rows)
        branch = _shared(self._branch, rows, len(self._branches)) * risk[:, None]
        found = np.zeros((rows.shape[0], self._width))
        found[:, self._calm] = 1 - risk
        for share, members, steps in zip(branch.T, self._branches, self._further, strict=True):
            reached = [np.ones(len(share))]
            for step in steps:
                reached.append(np.minimum(reached[-1], _chance(step, rows)))
            found[:, members] = share[:, None] * -np.diff(np.stack([*reached, np.zeros(len(share))], axis=1))
        return found

    def _features(self, messages: Sequence[str]) -> list[csr_matrix]:
        return [self._with_words(grams.transform(messages), messages) for grams in self._grams]

    def _with_words(self, grams: csr_matrix, messages: Sequence[str]) -> csr_matrix:
        from scipy.sparse import csr_matrix, hstack

        return hstack([grams, csr_matrix(_WORDS_SHARE * self._words.counts(messages))]).tocsr()

    def _each(self, rows: csr_matrix, labels: Ints, known: range) -> dict[int, _Model]:
        """One decision for each label that occurs."""
        return {label: self._logistic(rows, labels == label) for label in known if (labels == label).any()}

    def _logistic(self, rows: csr_matrix, present: NDArray[np.bool_]) -> _Model:
        """A logistic read-out, or the constant answer where only one exists."""
        from sklearn.dummy import DummyClassifier
        from sklearn.linear_model import LogisticRegression

        if present.all() or not present.any():
            constant: _Model = DummyClassifier(strategy="prior").fit(rows, present)
            return constant
        # The dual is much faster than the primal with more columns than rows.
        fitted: _Model = LogisticRegression(
            C=self._inverse_strength,
            class_weight="balanced",
            solver="liblinear",
            dual=True,
            max_iter=1000,
            tol=1e-3,
            random_state=0,
        ).fit(rows, present)
        return fitted


def _chance(model: _Model, rows: csr_matrix) -> Floats:
    """Probability (n,) of presence."""
    return np.asarray(model.predict_proba(rows) @ model.classes_.astype(np.float64))


def _shared(models: Mapping[int, _Model], rows: csr_matrix, width: int) -> Floats:
    """Chances of labels that exclude each other as shares (n, width)."""
    found = np.zeros((rows.shape[0], width))
    for label, model in models.items():
        found[:, label] = _chance(model, rows)
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), _SMALLEST))


def learn(train: Messages, words: RiskWords, context: Context) -> tuple[Read, Callable[[Sequence[str]], Read]]:
    """What readers of other folds make of the training messages, calibrated, and the calibrated reader of all."""
    from affectome.learn.calibration import fit_platt, fit_temperature

    texts, labels = [normalised(text) for text in train.texts], train.labels
    classes, urgent = np.zeros(train.present.shape), np.zeros(len(texts))
    parts = folds(len(texts), count=_FOLDS, groups=near_duplicates(texts), strata=labels, seed=context.seed)
    for number, fold in enumerate(parts):
        reader = RiskReader(words).fit([texts[i] for i in fold.train], labels[fold.train])
        asked = [texts[i] for i in fold.test]
        classes[fold.test], urgent[fold.test] = reader.classes(asked), reader.urgency(asked)
        context.note(f"fold {number + 1} of {_FOLDS}")
    one_hot = np.eye(train.present.shape[1], dtype=np.float32)[labels]
    temperature = fit_temperature(_logarithm(classes).astype(np.float32), one_hot)
    most = (train.urgency == urgencies().max()).astype(np.float32)
    platt = fit_platt(_logit(urgent)[:, None].astype(np.float32), most[:, None], strength=0)
    whole = RiskReader(words).fit(texts, labels)

    def calibrated(classes: Floats, urgent: Floats) -> Read:
        tempered = np.exp(_logarithm(classes) / temperature)
        chance = 1 / (1 + np.exp(-(float(platt.slope[0]) * _logit(urgent) + float(platt.intercept[0]))))
        return Read(tempered / tempered.sum(axis=1, keepdims=True), chance)

    def read(messages: Sequence[str]) -> Read:
        asked = [normalised(message) for message in messages]
        return calibrated(whole.classes(asked), whole.urgency(asked))

    return calibrated(classes, urgent), read


def _logarithm(probability: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(probability, 1e-9)))


def _logit(probability: Floats) -> Floats:
    inside = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside / (1 - inside)))
