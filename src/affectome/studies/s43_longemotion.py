"""LongEmotion: its overall figure, the one text of many that feels different, and scenes buried in long texts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectome.errors import InputError
from affectome.evaluate import accuracy, bootstrap
from affectome.language.emotion_detection import load_text_lists
from affectome.language.emotional_intelligence import load_dialogues
from affectome.language.long_context import cut_chunks, find_chunks, odd_one_out, overall_score
from affectome.perceive import TextReader
from affectome.studies.comparing import claim_value
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

FOLDER, SCENES, DIALOGUES = "longemotion", "emobench", "reccon"
Floats = NDArray[np.floating[Any]]

# Rows of the published table: classification, detection, answers, summary, conversation, expression, and the overall.
PRINTED = {
    "GPT-4o": (50.09, 19.12, 50.12, 4.60, 3.77, 81.03, 61.29),
    "DeepSeek-V3": (56.50, 24.51, 45.53, 4.62, 3.99, 81.75, 63.42),
    "Qwen3-8B": (48.00, 18.14, 44.75, 4.51, 3.97, 73.40, 58.98),
    "GPT-5": (73.75, 22.79, 43.22, 4.42, 4.67, 86.77, 68.06),
}
_PARTS = ("classification", "detection", "answers", "summary", "conversation", "expression")
_GOAL = 0.15
_MOST, _QUICK = 40, 4  # scenes that are buried
_WORDS = 11_500  # of a long text, about 15,000 tokens
_KEPT = 8
_RECALL = 0.9
_ASKED = "What would {subject} feel, and why?"
_LIST = "accuracy"
_FOUND = f"share of scenes among the {_KEPT} nearest passages"


def run(context: Context) -> Outcome:
    """Recompute, detect, retrieve."""
    recomputed, claims = _overall()
    detection, found = _detection(context)
    context.note("lists")
    buried, retrieved, notes = _buried(context)
    return Outcome([recomputed, detection, buried], [*claims, *found, *retrieved], notes)


def _overall() -> tuple[Table, list[Claim]]:
    """The published overall figures from their parts."""
    rows, off = [], []
    for name, (*parts, printed) in PRINTED.items():
        value = overall_score(dict(zip(_PARTS, parts, strict=True)))
        off.append(abs(value - printed))
        rows.append(Row(name, "result", {"recomputed": value, "printed": printed}))
    plain = float(np.mean(PRINTED["DeepSeek-V3"][:-1]))
    rows.insert(0, Row("DeepSeek-V3, plain mean of the parts", "baseline", {"recomputed": plain, "printed": 63.42}))
    table = Table("Overall figure of models as published", ("recomputed", "printed"), rows)
    return table, [Claim("overall figures: largest distance from what is printed", max(off), 0.006, "<=")]


def _detection(context: Context) -> tuple[Table, list[Claim]]:
    """Which text of about thirty feels different; every other list is for choosing how."""
    entries = load_text_lists(context.folder(FOLDER) / "Emotion_Detection.jsonl.gz")
    lists = [list(entry.texts.values()) for entry in entries]
    truth = np.array([list(entry.texts).index(entry.gold) for entry in entries])
    reader = _reader(context)
    dev, test = np.arange(0, len(lists), 2), np.arange(1, len(lists), 2)
    read = [reader.encoder.encode(texts) for texts in lists]
    ways: dict[str, tuple[Role, list[Floats]]] = {
        "words, farthest from the rest": ("baseline", [_word_places(texts) for texts in lists]),
        "valence by a word list": ("baseline", [_listed_valence(texts) for texts in lists]),
        "vectors of the text reader": ("result", [each.vectors for each in read]),
        "valence, arousal and dominance of the text reader": ("result", [each.means[:, :3] for each in read]),
    }
    chosen = {name: np.array([odd_one_out(each) for each in places]) for name, (_, places) in ways.items()}
    results = [name for name, (role, _) in ways.items() if role == "result"]
    best = max(results, key=lambda name: float((chosen[name][dev] == truth[dev]).mean()))
    opened = context.vault({"test": test}).open("test", purpose="the table of lists")
    chance = float(np.mean([1 / len(lists[k]) for k in opened]))
    scores = {
        name: bootstrap(accuracy, truth=truth[opened], prediction=each[opened], seed=context.seed)
        for name, each in chosen.items()
    }
    rows = [Row("any text", "baseline", {_LIST: chance})]
    rows += [Row(name, role, {_LIST: scores[name]}) for name, (role, _) in ways.items()]
    table = Table(f"The text that feels different, {len(opened)} lists of about 31", (_LIST,), rows)
    return table, [claim_value(f"accuracy on lists, {best}, chosen on the other lists", scores[best], ">=", _GOAL)]


def _buried(context: Context) -> tuple[Table, list[Claim], list[str]]:
    """Whether the passage of a scene is found in a long text when its question is asked."""
    scenes = _scenes(context)[: _QUICK if context.quick else _MOST]
    rng = np.random.default_rng(context.seed)
    turns = [turn.text for dialogue in load_dialogues(context.folder(DIALOGUES)).values() for turn in dialogue]
    reader = _reader(context)
    finders: dict[str, tuple[Role, Callable[[Sequence[str]], Floats]]] = {
        "words": ("baseline", _word_places),
        "vectors of the text reader": ("result", lambda texts: reader.encoder.vectors(texts)),
        "vectors of the base encoder": ("result", lambda texts: _base_vectors(context, texts)),
    }
    hits: dict[str, list[bool]] = {name: [] for name in finders}
    counts = []
    for scene in scenes:
        filler: list[str] = []
        while sum(len(text.split()) for text in filler[-2000:]) < _WORDS and len(filler) < 2000:
            filler.append(turns[int(rng.integers(len(turns)))])
        place = int(rng.integers(len(filler)))
        chunks = cut_chunks(" ".join([*filler[:place], scene["scenario"], *filler[place:]]))
        counts.append(len(chunks))
        start = " ".join(scene["scenario"].split()[:12])
        right = {k for k, chunk in enumerate(chunks) if start in chunk}
        question = _ASKED.format(subject=scene["subject"])
        for name, (_, embed) in finders.items():
            hits[name].append(bool(right & set(find_chunks(question, chunks, embed, most=_KEPT))))
        context.note(f"{len(counts)} of {len(scenes)} scenes")
    rows = [Row("any passages", "baseline", {_FOUND: float(np.mean([min(1, _KEPT / n) for n in counts]))})]
    ones = np.ones(len(scenes), np.int64)
    shares = {
        name: bootstrap(accuracy, truth=ones, prediction=np.array(each, np.int64), seed=context.seed)
        for name, each in hits.items()
    }
    rows += [Row(name, role, {_FOUND: shares[name]}) for name, (role, _) in finders.items()]
    title = f"{len(scenes)} scenes buried in long texts of about {_WORDS:,} words"
    claims = [claim_value("scenes found by the base encoder", shares["vectors of the base encoder"], ">=", _RECALL)]
    notes = [
        f"Scenes are those of EmoBench, long texts are turns of many dialogues of RECCON in any order; a text has "
        f"{np.mean(counts):.0f} passages of 128 words. The question is “{_ASKED.format(subject='…')}”.",
        "The way to find the text that feels different is chosen on the lists with even numbers, and measured on those "
        "with odd ones.",
    ]
    return Table(title, (_FOUND,), rows), claims, notes


def _scenes(context: Context) -> list[dict[str, Any]]:
    """Scenes in English whose person is named, one of each."""
    entries = _read_lines(context, SCENES, "EU.jsonl.gz")
    named = [entry for entry in entries if entry["language"] == "en" and entry["subject"] in entry["scenario"]]
    return list({entry["scenario"]: entry for entry in named}.values())


def _read_lines(context: Context, folder: str, name: str) -> list[dict[str, Any]]:
    path = context.folder(folder) / name
    if not path.exists():
        raise InputError(f"{name} is not in {folder}.", code="missing_file", value=path)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _reader(context: Context) -> TextReader:
    from affectome.models import default_model

    return TextReader(default_model("text-affect"), threads=context.threads)


def _base_vectors(context: Context, texts: Sequence[str]) -> Floats:
    from affectome.learn.base_vectors import base_vectors

    return base_vectors(list(texts), context.base_encoder(), threads=context.threads, max_tokens=192)


def _word_places(texts: Sequence[str]) -> Floats:
    """Tf-idf vectors of the texts among themselves."""
    from affectome.learn.features import SparseFeatures

    features = SparseFeatures(words=(1, 1), characters=None, minimum=1).fit(list(texts))
    return np.asarray(features.transform(list(texts)).toarray())


def _listed_valence(texts: Sequence[str]) -> Floats:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    read = SentimentIntensityAnalyzer()
    return np.array([[read.polarity_scores(text)["compound"]] for text in texts])


STUDY = Study(
    number=43,
    id="longemotion",
    title="LongEmotion",
    paper="arXiv 2509.07403",
    data=(FOLDER, SCENES, DIALOGUES),
    extras=("train", "study"),
    run=run,
    missing=(
        "classification, question answering and the longer summaries, whose files are not published whole",
        "summaries, conversations and expression, which judges score",
        "answers with evidence by a real model: `answer_with_evidence` is tested with scripted ones alone",
        "searching while answering",
    ),
)
