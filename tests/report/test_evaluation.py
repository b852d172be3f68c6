"""The page of an evaluation: what it shows, that it keeps to itself, and that nobody's text becomes markup."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest

from affectome.errors import RunError
from affectome.evaluate import Interval, multilabel_per_class, per_class
from affectome.evaluate.assessment import Assessment, CurvePoint, GroupScore, WorstError
from affectome.evaluate.scoring import ScoreRow
from affectome.report import EvaluationRun, write_evaluation

BREAKOUT = '"><img src=x onerror=alert(1)>'
METRICS = {"choice": ("accuracy", "macro F1"), "presence": ("macro F1", "micro F1"), "measure": ("Pearson r", "MAE")}


def interval(value):
    return Interval(value, value - 0.1, value + 0.1, 0.95, 1000, 0, 0)


def invented(kind, *, labels=("joy", "fear", BREAKOUT), groups=("left", "right", BREAKOUT), errors=3):
    """An assessment of 90 texts."""
    generator = np.random.default_rng(0)
    true, read = generator.integers(0, len(labels), (2, 90))
    present, given = (generator.random((90, len(labels))) < 0.4).astype(float), generator.random((90, len(labels)))
    classes, confusion = (), None
    if kind == "choice":
        classes = per_class(truth=true, prediction=read, labels=labels)
        confusion = np.array(
            [[((true == i) & (read == j)).sum() for j in range(len(labels))] for i in range(len(labels))]
        )
    elif kind == "presence":
        classes = multilabel_per_class(truth=present, probability=given, labels=labels)
        confusion = (present.T @ (given >= 0.5)).astype(np.int64)
    baseline = "mean" if kind == "measure" else "majority" if kind == "choice" else "prior"
    predictors = ((baseline, "baseline", 0.2), ("texts shuffled", "control", 0.1), ("stub@1.0.0", "result", 0.6))
    scores = tuple(
        ScoreRow(
            name, role, metric, interval(float("nan") if (role, metric) == ("baseline", "Pearson r") else value), 90
        )
        for name, role, value in predictors
        for metric in METRICS[kind]
    )
    compared = tuple(GroupScore(name, 30, interval(0.5 - k / 10)) for k, name in enumerate(groups))
    return Assessment(
        kind=kind,
        labels=labels if kind != "measure" else ("warmth",),
        rows={
            "total": 100,
            "scored": 90,
            "abstained": 4,
            "failed": 1,
            "unlabelled": 2,
            "unknown_label": 2,
            "learnt": 1,
        },
        codes={"too_short": 4, "bad_row": 1},
        unknown={BREAKOUT: 2},
        units=("speakers", 12),
        scores=scores,
        classes=classes,
        confusion=confusion,
        curve=tuple(CurvePoint(p, interval(p + 0.05), 30) for p in (0.2, 0.5, 0.8)),
        metric=METRICS[kind][1],
        groups=compared,
        worst=compared[-1] if compared else None,
        group_counts=(len(compared) + 2, 7) if compared else (0, 90),
        errors=tuple(
            WorstError(f"{BREAKOUT}{k}", f"{BREAKOUT} text {k}", "joy", "fear", 0.9 - k / 10) for k in range(errors)
        ),
        seed=0,
    )


RUN = EvaluationRun(
    data=f"posts{BREAKOUT}.csv",
    columns={"text": "text", "group": "site", "label": "mood"},
    model="stub@1.0.0",
    taxonomy="toy",
    command=f"affectome evaluate --data '{BREAKOUT}'",
    started="2026-01-02T03:04:05+00:00",
    affectome="1.2.3",
)


class Page(HTMLParser):
    """Elements by tag, and the words."""

    def __init__(self, html):
        super().__init__()
        self.html, self.elements, self.text, self._open = html, [], [], []
        self.feed(html)
        self.close()
        assert self._open == [], "elements are left open"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())

    @property
    def sections(self):
        return [attributes["id"] for tag, attributes in self.elements if tag == "section"]


@pytest.fixture(scope="module")
def pages(tmp_path_factory, card):
    """A page of each kind."""
    written = {}
    for kind in METRICS:
        folder = tmp_path_factory.mktemp(kind)
        write_evaluation(invented(kind), RUN, folder / "deep" / "er", card=card)
        written[kind] = Page((folder / "deep/er/evaluation.html").read_text(encoding="utf-8"))
    return written


def test_sections(pages):
    for kind in ("choice", "presence"):
        assert pages[kind].sections == [
            "scores", "labels", "confusions", "reliability", "groups", "errors", "outcomes", "card", "reproduce",
        ]  # fmt: skip
    assert pages["measure"].sections == ["scores", "reliability", "groups", "errors", "outcomes", "card", "reproduce"]
    for page in pages.values():
        targets = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
        assert targets <= {"#content", *(f"#{section}" for section in page.sections)}


def test_user_text_never_becomes_markup(pages):
    for page in pages.values():
        assert not [tag for tag, _ in page.elements if tag in ("img", "script")]
        assert page.words.count(BREAKOUT) >= 6


def test_the_page_reaches_nothing(pages):
    for page in pages.values():
        (policy,) = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert not [
            name for _, attributes in page.elements for name in attributes if name in ("src", "style", "onclick")
        ]
        assert "http://" not in page.html.replace("http://www.w3.org", "")


def test_what_the_page_says(pages):
    words = pages["choice"].words
    assert (
        "reaches accuracy 0.600 (95% interval 0.500 to 0.700). Always the most frequent label reaches 0.200. " in words
    )
    assert "over 12 speakers, drawn whole" in words
    assert "The 3 largest of 5 groups are shown." in words
    assert "7 texts without a group are in none of them." in words
    assert "The model learnt its labels from this very text." in words
    assert "The share of each label, whatever the text, reaches 0.200." in pages["presence"].words
    # The correlation of the mean is undefined.
    assert "On average it is off by 0.600, and always the mean is off by 0.200." in pages["measure"].words


def test_charts_can_be_read_aloud(pages):
    charts = [a["aria-label"] for tag, a in pages["choice"].elements if a.get("role") == "img"]
    assert len(charts) == 6
    assert any(label.startswith("Confusion matrix. joy:") for label in charts)
    assert any(label.startswith("Reliability diagram. Said 0.20, found 0.25") for label in charts)


def test_the_figures_as_json(tmp_path):
    write_evaluation(invented("choice"), RUN, tmp_path)
    written = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert (written["model"], written["kind"], written["rows"]["scored"]) == ("stub@1.0.0", "choice", 90)
    assert written["slices"]["worst"]["group"] == BREAKOUT
    assert "card-title" not in (tmp_path / "evaluation.html").read_text(encoding="utf-8")


def test_many_labels_and_nothing_to_compare(tmp_path):
    labels = tuple(f"label {k}" for k in range(50))
    write_evaluation(invented("choice", labels=labels, groups=(), errors=0), EvaluationRun(data="posts.csv"), tmp_path)
    page = Page((tmp_path / "evaluation.html").read_text(encoding="utf-8"))
    assert page.sections == ["scores", "labels", "confusions", "reliability", "outcomes", "reproduce"]
    assert "The 40 most frequent of 50 labels are shown." in page.words


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("here", encoding="utf-8")
    with pytest.raises(RunError):
        write_evaluation(invented("measure"), RUN, tmp_path / "file")
