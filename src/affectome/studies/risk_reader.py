"""A reader of risk in Chinese messages: characters in a row and classes of words, three ways to the same classes.

Chinese is written without spaces, and the encoder of the package knows few of its characters, so a message is read as
runs of one or two characters after Unicode normalisation, without cutting it into words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from affectome.domains import load_risk_routing
from affectome.evaluate import folds, near_duplicates
from affectome.studies.risk_messages import Messages, urgencies
from affectome.studies.risk_words import RiskWords
from affectome.studies.study import Context

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Chosen on folds of the training messages.
_WORDS_SHARE = 0.7  # weight of the classes of words beside n-grams of unit length
_PRIOR_SHARE = 0.1  # power of the share of a class that its probability is divided by
_SMALLEST = 1e-12
_FOLDS = 5


class _Model(Protocol):
    classes_: NDArray[np.bool_]

    def predict_proba(self, rows: csr_matrix) -> Floats: ...


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
    step on all messages of the branch, so that neighbouring classes share what they have in common. Their mean, moved
    towards rare classes (logit adjustment, Menon et al. 2021), is the answer. What a writer denies is left out of it,
    but not of the urgency: a denial moves the class and calls off no alert.

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

        meant = [self._words.denial_of(message)[0] for message in messages]
        self._grams = TfidfVectorizer(analyzer="char", sublinear_tf=True, ngram_range=(1, 2)).fit(meant)
        rows, risk = self._features(meant), labels != self._calm
        self._any = self._logistic(rows, risk)
        self._direct = self._each(rows, labels, range(self._width))
        self._which = self._each(rows[risk], labels[risk], range(self._width))
        branch = np.full(len(labels), -1)
        for number, members in enumerate(self._branches):
            branch[np.isin(labels, members)] = number
        self._branch = self._each(rows[risk], branch[risk], range(len(self._branches)))
        self._further = []
        for members in self._branches:
            own = np.isin(labels, members)
            place = np.array([members.index(label) for label in labels[own]], np.int64)
            self._further.append([self._logistic(rows[own], place >= step) for step in range(1, len(members))])
        self._prior = np.maximum(np.bincount(labels, minlength=self._width), 1) / len(labels)
        self._urgency = self._logistic(self._features(messages), np.isin(labels, self._urgent))
        return self

    def classes(self, messages: Sequence[str]) -> Floats:
        """Probabilities (n, classes) that sum to 1."""
        meant, said = zip(*map(self._words.denial_of, messages), strict=True)
        found = self._read(meant)
        denied = [i for i, (first, second) in enumerate(zip(meant, said, strict=True)) if first != second]
        if denied:
            # What is denied speaks for no risk more than the same said.
            found[denied] = np.minimum(found[denied], self._read([said[i] for i in denied]))
            found[denied, self._calm] = 0
            found[denied, self._calm] = 1 - found[denied].sum(axis=1)
        return found

    def urgency(self, messages: Sequence[str]) -> Floats:
        """Score (n,) in [0, 1] that grows with the chance that a message belongs to the most urgent band."""
        return _chance(self._urgency, self._features(messages))

    def _read(self, messages: Sequence[str]) -> Floats:
        rows = self._features(messages)
        risk = _chance(self._any, rows)
        direct = _shared(self._direct, rows, self._width)
        found = (direct + self._two_steps(rows, risk) + self._along(rows, risk)) / self._prior**_PRIOR_SHARE
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    def _two_steps(self, rows: csr_matrix, risk: Floats) -> Floats:
        found = _shared(self._which, rows, self._width) * risk[:, None]
        found[:, self._calm] = 1 - risk
        return found

    def _along(self, rows: csr_matrix, risk: Floats) -> Floats:
        branch = _shared(self._branch, rows, len(self._branches)) * risk[:, None]
        found = np.zeros((rows.shape[0], self._width))
        found[:, self._calm] = 1 - risk
        for share, members, steps in zip(branch.T, self._branches, self._further, strict=True):
            reached = [np.ones(len(share))]
            for step in steps:
                reached.append(np.minimum(reached[-1], _chance(step, rows)))
            found[:, members] = share[:, None] * -np.diff(np.stack([*reached, np.zeros(len(share))], axis=1))
        return found

    def _features(self, messages: Sequence[str]) -> csr_matrix:
        """N-grams of unit length and, beside them, classes of words."""
        from scipy.sparse import csr_matrix, hstack

        words = csr_matrix(_WORDS_SHARE * self._words.counts(messages))
        return hstack([self._grams.transform(messages), words]).tocsr()

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
