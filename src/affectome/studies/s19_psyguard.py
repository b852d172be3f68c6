"""Suicide risk in Chinese messages: eleven classes, a calibrated alert for a human queue, and where messages go.

The published training part is too large to be among the data; the development part trains instead, and everything is
chosen on folds of it. Messages are read as runs of characters. An alert orders what people read; it is no diagnosis.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from affectome.domains import load_risk_routing
from affectome.evaluate import (
    Interval,
    Part,
    accuracy,
    alert_rate_at_recall,
    assert_disjoint,
    auc,
    bootstrap,
    bootstrap_mean,
    choose_thresholds,
    ece,
    f1,
    multilabel_f1,
    near_duplicates,
    per_class,
    predict_majority,
    quadratic_kappa,
    recall_at_alert_rate,
)
from affectome.evaluate.intervals import Metric
from affectome.media import is_english
from affectome.models import default_model
from affectome.studies.comparing import claim_difference, claim_value, measure
from affectome.studies.risk_messages import Messages, class_names, load_messages, urgencies
from affectome.studies.risk_reader import Read, learn, normalised
from affectome.studies.risk_words import RiskWords
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table, Value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_FOLDER = "psysuicide_psyguard"
_TABLE = Path(__file__).parent / "data" / "psyguard.toml"
_ALERT_RATE = 0.23  # of training messages held out: two standard errors of a rate below the promised 0.25
_PROMISED_RATE = 0.25
_MEASURABLE = 10  # messages of a class below which a figure for it says nothing
_SMOOTHING = 5.0  # a class with as many messages takes half of its threshold from all classes together
_ACCURACY, _MACRO, _WEIGHTED = "accuracy", "macro-F1", "weighted F1"
_RECALL, _RATE, _PRECISION = "recall of urgent", "alert rate", "risk among alerts"


def run(context: Context) -> Outcome:
    """Learn, choose and calibrate on folds of the training messages; look at the test messages once."""
    folder = context.folder(_FOLDER)
    train, test = (load_messages(folder / f"{part}.json.gz") for part in ("valid", "test"))
    if context.quick:
        train, test = (messages.at(np.arange(0, len(messages.texts), 4)) for messages in (train, test))
    words = RiskWords.from_table(tomllib.loads(_TABLE.read_text(encoding="utf-8")))
    held, read = learn(train, words, context)
    limit = float(np.quantile(held.urgent, 1 - _ALERT_RATE))
    thresholds = choose_thresholds(dev_truth=train.present, dev_probability=held.classes, smoothing=_SMOOTHING).values
    context.note(
        f"held out: accuracy {float(accuracy(truth=train.labels, prediction=held.classes.argmax(axis=1))):.3f}"
    )

    test = test.at(context.vault({"test": np.arange(len(test.texts))}).open("test", purpose="classes and alerts"))
    found = read(test.texts)
    by_rule = _by_rule(words, test.texts)
    single, found_single = test.at(np.flatnonzero(test.single)), found.classes[test.single]
    classes, claims = _classes(train, single, found_single, by_rule[test.single], context.seed)
    alerts, alert_claims = _alerts(train, held, test, found, by_rule, limit, context.seed)
    probes, probe_claims = _probes(read, limit, context.seed)
    tables = [
        classes,
        _each_class(single, found_single, by_rule[test.single]),
        _each_source(train, single, found_single, context.seed),
        _several(train, test, found.classes, by_rule, thresholds, context.seed),
        alerts,
        _bands(train, test, found, by_rule, context.seed),
        probes,
    ]
    repeated = _repeats(train, test)
    apart = np.flatnonzero(~repeated & test.single)
    alone = measure(
        {_ACCURACY: accuracy, _MACRO: _macro}, truth=test.labels[apart], prediction=found.classes[apart].argmax(axis=1),
        seed=context.seed,
    )  # fmt: skip
    notes = [
        *_encoding_notes(train, words),
        f"Trained on the {len(train.texts):,} messages of the development part, as the training part is not among the"
        " data. A message of several classes teaches the most urgent one.",
        f"The alert threshold is the score that {_ALERT_RATE:.0%} of training messages reach when they are held out;"
        " temperature, thresholds and calibration come from the same folds, with near-duplicates in one fold.",
        f"Test messages that nearly repeat a training message: {int(repeated.sum())}. Without them accuracy is"
        f" {alone[_ACCURACY].value:.3f} and macro-F1 {alone[_MACRO].value:.3f}.",
        "Any-risk recall of .95 at an alert rate of .25 is out of reach for every reader, as more than a quarter of the"
        " messages are at risk; the promised recall is that of the most urgent band: attempt, preparation, plan, active"
        " ideation.",
        "The bands and texts are this package's own table, version"
        f" {load_risk_routing().version}; no clinician has reviewed them yet, and they are no diagnosis.",
    ]
    return Outcome(tables, [*claims, *alert_claims, *probe_claims], notes)


STUDY = Study(
    number=19,
    id="psyguard",
    title="PsyGUARD",
    paper="EMNLP 2024, 2024.emnlp-main.264",
    data=(_FOLDER,),
    extras=("study",),
    run=run,
    missing=(
        "training on the published training part and with a Chinese encoder",
        "the part of a message that speaks for a class",
        "questions for a counsellor to ask next, and a review of bands and texts by clinicians",
        "an English reader of the same classes",
    ),
)


def _classes(train: Messages, test: Messages, found: Floats, by_rule: Ints, seed: int) -> tuple[Table, list[Claim]]:
    """One class a message, over messages that have one."""
    metrics: dict[str, Metric] = {
        _ACCURACY: accuracy,
        _MACRO: _macro,
        _WEIGHTED: partial(f1, average="weighted"),
        "ECE": ece,
    }
    truth, answer = test.labels, found.argmax(axis=1)
    score = partial(measure, metrics, truth=truth, seed=seed)
    by_source = _by_source(train, test)
    rows = [
        Row("majority", "baseline", score(prediction=predict_majority(train_truth=train.labels, items=len(truth)))),
        Row("source of the message", "baseline", score(prediction=by_source)),
        Row("keywords", "baseline", score(prediction=by_rule)),
        Row("answers to other messages", "control", score(prediction=np.random.default_rng(seed).permutation(answer))),
    ]
    result = score(prediction=answer, probability=found)
    rows.append(Row("characters and word classes", "result", result))
    claims = [
        claim_value("accuracy", result[_ACCURACY], ">=", 0.87),
        claim_value("macro-F1 over eleven classes", result[_MACRO], ">=", 0.42),
        claim_value("weighted F1", result[_WEIGHTED], ">=", 0.85),
        claim_value("calibration error of the answer", result["ECE"], "<=", 0.05),
        claim_difference(
            "characters minus keywords, macro-F1",
            _macro,
            truth=truth,
            first=answer,
            second=by_rule,
            comparison=">",
            seed=seed,
        ),
    ]
    return Table(f"One class: {len(truth):,} test messages", tuple(metrics), rows), claims


def _each_class(test: Messages, found: Floats, by_rule: Ints) -> Table:
    names = class_names()
    kinds: list[tuple[str, Role, Ints]] = [
        ("keywords", "baseline", by_rule),
        ("characters", "result", found.argmax(axis=1)),
    ]
    rows = []
    for kind, role, answer in kinds:
        scores = per_class(truth=np.array(names)[test.labels], prediction=np.array(names)[answer], labels=names)
        for score in scores:
            rare = ", too few to measure" if score.support < _MEASURABLE else ""
            values: dict[str, Value] = {"messages": score.support, "found": score.predicted}
            defined = {"precision": score.precision, "recall": score.recall, "F1": score.f1}
            values |= {name: value for name, value in defined.items() if not np.isnan(value)}
            rows.append(Row(f"{score.label}{rare}, {kind}", role, values))
    return Table("Each class, one class a message", ("messages", "found", "precision", "recall", "F1"), rows)


def _each_source(train: Messages, test: Messages, found: Floats, seed: int) -> Table:
    rows, results = [], []
    for source, count in sorted(Counter(test.sources).items()):
        own = np.array([name == source for name in test.sources])
        score = partial(measure, {_ACCURACY: accuracy, _MACRO: _macro_of_present}, truth=test.labels[own], seed=seed)
        size: dict[str, Value] = {"messages": count}
        majority = predict_majority(train_truth=train.labels, items=int(own.sum()))
        rows.append(Row(f"{source}, majority", "baseline", {**size, **score(prediction=majority)}))
        results.append(Row(source, "result", {**size, **score(prediction=found[own].argmax(axis=1))}))
    return Table(
        "By source; macro-F1 over the classes that occur there", ("messages", _ACCURACY, _MACRO), rows + results
    )


def _several(train: Messages, test: Messages, found: Floats, by_rule: Ints, thresholds: Floats, seed: int) -> Table:
    """All classes of all messages."""
    one = np.eye(found.shape[1])
    always = one[predict_majority(train_truth=train.labels, items=len(found))]
    # A message in which no class reaches its threshold has the most probable one.
    without = np.flatnonzero((found < thresholds).all(axis=1))
    marked = (found >= thresholds).astype(np.float64)
    marked[without] = one[found[without].argmax(axis=1)]

    def micro(*, truth: ArrayLike, prediction: ArrayLike) -> float:
        return float(multilabel_f1(truth=truth, probability=prediction, average="micro"))

    def macro(*, truth: ArrayLike, prediction: ArrayLike) -> float:
        return float(multilabel_f1(truth=truth, probability=prediction))

    def same(*, truth: ArrayLike, prediction: ArrayLike) -> float:
        return float((np.asarray(truth) == np.asarray(prediction)).all(axis=1).mean())

    metrics: dict[str, Metric] = {"all classes right": same, "micro-F1": micro, _MACRO: macro}
    score = partial(measure, metrics, truth=test.present, seed=seed)
    rows = [
        Row("majority", "baseline", score(prediction=always)),
        Row("keywords", "baseline", score(prediction=one[by_rule])),
        Row("classes that reach their threshold", "result", score(prediction=marked)),
    ]
    several = int((test.present.sum(axis=1) > 1).sum())
    return Table(f"All classes: {len(found):,} test messages, {several} with several", tuple(metrics), rows)


def _alerts(
    train: Messages, held: Read, test: Messages, found: Read, by_rule: Ints, limit: float, seed: int
) -> tuple[Table, list[Claim]]:
    """Alerts for the queue, at a threshold from the training folds."""
    band = urgencies()
    truth = np.column_stack([test.urgency == band.max(), test.urgency > 0]).astype(np.float64)

    def values(alert: NDArray[np.bool_]) -> dict[str, Interval]:
        score = partial(bootstrap, seed=seed, truth=truth, alert=alert.astype(np.float64))
        return {_RECALL: score(_urgent_recall), _RATE: score(_alert_rate), _PRECISION: score(_alert_precision)}

    rng = np.random.default_rng(seed)
    chance = rng.random(len(truth)) < _ALERT_RATE
    keywords = band[by_rule] > 0
    alert = found.urgent >= limit
    result = values(alert)
    curve = measure({"AUC": auc}, truth=truth[:, 0], probability=found.urgent, seed=seed)
    curve |= measure({"ECE": ece}, truth=truth[:, 0], probability=found.urgent, seed=seed)
    mixed = measure({"AUC": auc}, truth=truth[:, 0], probability=rng.permutation(found.urgent), seed=seed)
    rows = [
        Row("by chance", "baseline", values(chance)),
        Row("any keyword of risk", "baseline", values(keywords)),
        Row("scores of other messages", "control", values(rng.permutation(alert)) | mixed),
        Row("urgency", "result", result | curve),
    ]
    folded = {"truth": (train.urgency == band.max()).astype(np.float64), "probability": held.urgent}
    for target in (0.9, 0.95, 0.98):
        rate = float(alert_rate_at_recall(**folded, recall=target))
        rows.append(Row(f"urgency on training folds at recall {target:g}", "ceiling", {_RECALL: target, _RATE: rate}))
    reached = float(recall_at_alert_rate(**folded, rate=_PROMISED_RATE))
    at_rate: dict[str, Value] = {_RECALL: reached, _RATE: _PROMISED_RATE}
    rows.append(Row("urgency on training folds at the promised alert rate", "ceiling", at_rate))
    claims = [
        claim_value("urgent messages that alert", result[_RECALL], ">=", 0.95),
        claim_value("messages that alert", result[_RATE], "<=", _PROMISED_RATE),
        claim_value("calibration error of urgency", curve["ECE"], "<=", 0.05),
    ]
    title = (
        f"Alerts: {int(truth[:, 0].sum())} urgent of {len(truth):,} test messages, {int(truth[:, 1].sum())} at any risk"
    )
    return Table(title, (_RECALL, _RATE, _PRECISION, "AUC", "ECE"), rows), claims


def _bands(train: Messages, test: Messages, found: Read, by_rule: Ints, seed: int) -> Table:
    """Bands, from the classes."""
    routing, names = load_risk_routing(), class_names()
    routed = np.array([routing.route(str(i), [names[label]]).band.urgency for i, label in enumerate(by_rule)])
    from_classes = urgencies()[found.classes.argmax(axis=1)]
    metrics: dict[str, Metric] = {_ACCURACY: accuracy, "quadratic kappa": quadratic_kappa}
    score = partial(measure, metrics, truth=test.urgency, seed=seed)
    rows = [
        Row("majority", "baseline", score(prediction=predict_majority(train_truth=train.urgency, items=len(routed)))),
        Row("keywords", "baseline", score(prediction=routed)),
        Row("classes", "result", score(prediction=from_classes)),
    ]
    return Table(f"Bands: {', '.join(band.id for band in routing.bands)}", tuple(metrics), rows)


def _probes(read: Callable[[Sequence[str]], Read], limit: float, seed: int) -> tuple[Table, list[Claim]]:
    """The same said, reported and denied."""
    sentences = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["probes"]
    names = class_names()
    active = names.index("active ideation")
    found = {way: read(texts) for way, texts in sentences.items()}
    said = found["said"].classes[:, active]
    rows = []
    roles: dict[str, Role] = {"said": "baseline", "reported": "result", "denied": "result"}
    for way, role in roles.items():
        own = found[way]
        values: dict[str, Interval | float] = {
            "active ideation": bootstrap_mean(own.classes[:, active], seed=seed),
            "urgency": bootstrap_mean(own.urgent, seed=seed),
            "alerts": bootstrap_mean((own.urgent >= limit).astype(float), seed=seed),
        }
        rows.append(Row(way, role, values))
    claims = [
        Claim(
            f"pairs in which a {way} sentence is not read as more active ideation than the said one",
            float((found[way].classes[:, active] <= said).mean()),
            1.0,
            ">=",
        )
        for way in ("reported", "denied")
    ]
    blank = read([""])
    rows.append(
        Row(
            "empty message",
            "control",
            {"active ideation": float(blank.classes[0, active]), "urgency": float(blank.urgent[0])},
        )
    )
    title = f"{len(said)} composed sentences said by the writer, reported of others, denied"
    return Table(title, ("active ideation", "urgency", "alerts"), rows), claims


def _encoding_notes(train: Messages, words: RiskWords) -> list[str]:
    """What the package's reader would see of Chinese."""
    tokenizer = default_model("text-affect").tokenizer()
    unknown = tokenizer.token_to_id("[UNK]")
    tokens = [encoding.ids[1:-1] for encoding in tokenizer.encode_batch(train.texts)]
    share = sum(token == unknown for ids in tokens for token in ids) / max(1, sum(map(len, tokens)))
    refused = float(np.mean([is_english(text) is False for text in train.texts]))
    ruled = {name for needed, _ in words.rules for name in needed}
    return [
        "Messages are encoded as runs of one or two characters after Unicode NFKC normalisation and in lower case,"
        f" without cutting them into words, beside counts of {len(words.words)} classes of words and who is named"
        f" around {len(words.acts)} of them; the keywords use {len(ruled)}. Words that the keywords do not use were"
        " chosen after reading messages of the development part that were held out and read wrongly, so the folds"
        " flatter them.",
        "What a writer denies is left out of what the classes are read from, and speaks for no risk more than the same"
        " said; the urgency is read from the whole message, so that a denial calls off no alert.",
        f"The package's English encoder is not used: {share:.0%} of the tokens it makes of these messages are unknown"
        f" to it, and its language check refuses {refused:.0%} of them.",
    ]


def _repeats(train: Messages, test: Messages) -> NDArray[np.bool_]:
    """Test messages that nearly repeat a training message; none may repeat one exactly."""
    assert_disjoint(train=Part(rows=train.texts), test=Part(rows=test.texts))
    clusters = near_duplicates([*train.texts, *test.texts])
    return np.isin(clusters[len(train.texts) :], clusters[: len(train.texts)])


def _by_rule(words: RiskWords, texts: Sequence[str]) -> Ints:
    names = class_names()
    return np.array([names.index(words.by_rule(normalised(text))) for text in texts], np.int64)


def _by_source(train: Messages, test: Messages) -> Ints:
    """The most frequent class of each source."""
    counts: dict[str, Counter[int]] = {}
    for source, label in zip(train.sources, train.labels.tolist(), strict=True):
        counts.setdefault(source, Counter())[label] += 1
    overall = Counter(train.labels.tolist())
    return np.array([counts.get(source, overall).most_common(1)[0][0] for source in test.sources], np.int64)


def _macro(*, truth: ArrayLike, prediction: ArrayLike) -> float:
    """Mean F1 over all eleven classes; a class that neither occurs nor is predicted counts 0."""
    scores = f1(truth=truth, prediction=prediction, labels=[str(k) for k in range(len(class_names()))]).per_label
    return float(np.nan_to_num(scores).mean())


def _macro_of_present(*, truth: ArrayLike, prediction: ArrayLike) -> float:
    """Mean F1 over the classes that occur."""
    scores = np.array(
        f1(truth=truth, prediction=prediction, labels=[str(k) for k in range(len(class_names()))]).per_label
    )
    return float(np.nan_to_num(scores[np.unique(truth)]).mean())


def _urgent_recall(*, truth: Floats, alert: Floats) -> float:
    urgent = truth[:, 0] == 1
    return float(alert[urgent].mean()) if urgent.any() else float("nan")


def _alert_rate(*, truth: Floats, alert: Floats) -> float:
    return float(alert.mean())


def _alert_precision(*, truth: Floats, alert: Floats) -> float:
    return float(truth[alert == 1, 1].mean()) if alert.any() else float("nan")
