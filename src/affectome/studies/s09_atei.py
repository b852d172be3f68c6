"""Mismatch between what is said and how it sounds: found in pairs that are balanced so that neither side tells it.

Voices are acted sentences without meaning, texts situations that people wrote down; each is pleasant or unpleasant by
its own label, and a pair is inconsistent if one is the one and one is the other. All four combinations are equally
frequent, so that whoever reads only the text, or only the voice, is at chance by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import Interval, Part, assert_disjoint, auc, bootstrap
from affectome.studies.comparing import claim_value
from affectome.studies.corpora import SITUATIONS, load_situations
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.perceive import TextReader, VoiceReader

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

VOICES = "ravdess_speech"
_PLEASANT_VOICES, _UNPLEASANT_VOICES, _CALM = ("happy",), ("sad", "angry", "fearful", "disgust"), ("calm", "neutral")
_PLEASANT_TEXTS = ("joyful", "excited", "proud", "grateful", "content", "hopeful", "confident", "impressed")
_UNPLEASANT_TEXTS = ("sad", "angry", "terrified", "disgusted", "lonely", "devastated", "furious", "ashamed")
_PAIRS = 4000
_SUBJECTS, _UTTERANCES = 400, 20
_LABELS = "ekman7"
_DIMENSIONS = ("valence", "arousal", "dominance")
_METRIC = "AUC"


@dataclass(frozen=True, eq=False)
class Stream:
    """What one reader gives for n items.

    Attributes:
        means: ``(n, 3)`` valence, arousal and dominance.
        shares: ``(n, labels)`` probabilities.
        pleasant: ``(n,)`` 1 pleasant, 0 unpleasant, -1 calm.
        groups: ``(n,)`` speaker or text.
    """

    means: Array
    shares: Array
    pleasant: Ints
    groups: NDArray[np.str_]

    def at(self, rows: Ints) -> Stream:
        """Some of the items."""
        return Stream(self.means[rows], self.shares[rows], self.pleasant[rows], self.groups[rows])


@dataclass(frozen=True, eq=False)
class Pairs:
    """Texts said by voices.

    Attributes:
        text: What the text shows.
        voice: What the voice shows.
        differs: ``(n,)`` 1 where one is pleasant and the other is not.
    """

    text: Stream
    voice: Stream
    differs: Ints


def run(context: Context) -> Outcome:
    """Read voices and texts, pair them, and tell the pairs that do not fit."""
    voices = {part: _voices(context, part) for part in ("dev", "test")}
    texts = {part: _texts(context, part) for part in ("dev", "test")}
    assert_disjoint(train=Part(groups=list(voices["dev"].groups)), test=Part(groups=list(voices["test"].groups)))
    count = _PAIRS // 10 if context.quick else _PAIRS
    train = pair(texts["dev"], voices["dev"], count, context.seed)
    whole = pair(texts["test"], voices["test"], count, context.seed + 1)
    rows = context.vault({"pairs": np.arange(count)}).open("pairs", purpose="figures of both detectors")
    test = Pairs(whole.text.at(rows), whole.voice.at(rows), whole.differs[rows])
    table, claims = _detectors(context, train, test)
    claims.append(_masking(context, texts["test"], voices))
    planted, more = _planted(context, _learnt_scores(train, test), test)
    notes = [
        "Voices are those of actors 17 to 20 for fitting and 21 to 24 for testing; the voice reader was trained on"
        " others. Texts are situations of EmpatheticDialogues, whose speakers are not known; those of both parts are"
        " new to each other.",
        "The closed form is the distance between valence and arousal of both, each standardised over the fitting pairs"
        " of its own modality, as the recognisers are biased in different ways.",
        "Subjects are planted: their condition is drawn from the share of inconsistent pairs alone. Nothing is said"
        " about people; no figure here is about depression.",
    ]
    return Outcome([table, planted], claims + more, notes)


def pair(texts: Stream, voices: Stream, count: int, seed: int) -> Pairs:
    """Pairs of which a quarter each is pleasant or unpleasant in text and in voice.

    Args:
        texts: Texts to draw from.
        voices: Voices to draw from; calm ones are left out.
        count: Number of pairs, a multiple of four.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    wanted = np.arange(count) % 4
    rng.shuffle(wanted)
    text_side, voice_side = wanted // 2, wanted % 2
    chosen = []
    for stream, side in ((texts, text_side), (voices, voice_side)):
        rows = np.zeros(count, np.int64)
        for value in (0, 1):
            own = np.flatnonzero(stream.pleasant == value)
            rows[side == value] = rng.choice(own, int((side == value).sum()))
        chosen.append(rows)
    return Pairs(texts.at(chosen[0]), voices.at(chosen[1]), (text_side != voice_side).astype(np.int64))


def distance(train: Pairs, test: Pairs) -> Array:
    """Distance (n,) of valence and arousal of text and voice, each standardised by the fitting pairs."""
    parts = [
        (each.means[:, :2] - own.means[:, :2].mean(axis=0)) / own.means[:, :2].std(axis=0)
        for each, own in ((test.text, train.text), (test.voice, train.voice))
    ]
    return np.asarray(np.linalg.norm(parts[0] - parts[1], axis=1))


def _learnt_scores(train: Pairs, test: Pairs, *, sides: tuple[str, ...] = ("text", "voice")) -> Array:
    """Probability (n,) of a mismatch from products of what both show; from one side alone without products."""
    from affectome.learn.heads import fit_head

    head = fit_head(_features(train, sides), train.differs[:, None].astype(float), kind="presence", strength=1e-3)
    return np.asarray(head.predict(_features(test, sides))[:, 0])


def _features(pairs: Pairs, sides: tuple[str, ...]) -> Array:
    streams = [getattr(pairs, side) for side in sides]
    own = [np.hstack([stream.means, stream.shares]) for stream in streams]
    if len(own) == 1:
        return np.asarray(own[0])
    return np.hstack([*own, (own[0][:, :, None] * own[1][:, None, :]).reshape(len(own[0]), -1)])


def _detectors(context: Context, train: Pairs, test: Pairs) -> tuple[Table, list[Claim]]:
    shuffled = np.random.default_rng(context.seed).permutation(len(train.differs))
    other = Pairs(train.text, train.voice, train.differs[shuffled])
    outputs: dict[str, tuple[Role, Array]] = {
        "nothing": ("baseline", np.zeros(len(test.differs))),
        "text alone": ("baseline", _learnt_scores(train, test, sides=("text",))),
        "voice alone": ("baseline", _learnt_scores(train, test, sides=("voice",))),
        "learnt from shuffled answers": ("control", _learnt_scores(other, test)),
        "distance in valence and arousal": ("result", distance(train, test)),
        "learnt": ("result", _learnt_scores(train, test)),
    }
    measured = partial(bootstrap, auc, seed=context.seed, groups=test.voice.groups, truth=test.differs)
    values = {name: measured(probability=score) for name, (_, score) in outputs.items()}
    rows = [Row(name, role, {_METRIC: values[name]}) for name, (role, _) in outputs.items()]
    claims = [
        claim_value("Mismatches of new speakers and texts: AUC, learnt", values["learnt"], ">=", 0.80),
        claim_value("The same, by the distance alone", values["distance in valence and arousal"], ">=", 0.70),
        _at_chance("text", values["text alone"]),
        _at_chance("voice", values["voice alone"]),
    ]
    return Table(f"Pairs of text and voice, half of them inconsistent: {len(test.differs):,}", (_METRIC,), rows), claims


def _at_chance(side: str, measured: Interval) -> Claim:
    return Claim(f"The same, from the {side} alone: how far the AUC is from .5", abs(measured.value - 0.5), 0.05, "<=")


def _masking(context: Context, texts: Stream, voices: dict[str, Stream]) -> Claim:
    """How often an unpleasant text in a calm voice shows as a voice that is more pleasant than the text."""
    rng = np.random.default_rng(context.seed)
    dev, test = voices["dev"], voices["test"]
    calm = rng.permutation(np.flatnonzero(test.pleasant == -1))
    said = rng.choice(np.flatnonzero(texts.pleasant == 0), len(calm))
    centre, spread = dev.means[:, 0].mean(), dev.means[:, 0].std()
    of_texts = texts.means[:, 0].mean(), texts.means[:, 0].std()
    voice = (test.means[calm, 0] - centre) / spread
    text = (texts.means[said, 0] - of_texts[0]) / of_texts[1]
    share = bootstrap(
        _share, seed=context.seed, groups=test.groups[calm], truth=np.ones(len(calm)), prediction=(voice > text) * 1.0
    )
    return claim_value(
        "Unpleasant texts in calm voices that show as masking, the voice above the text", share, ">=", 0.75
    )


def _share(*, truth: Array, prediction: Array) -> float:
    return float((truth == prediction).mean())


def _planted(context: Context, scores: Array, test: Pairs) -> tuple[Table, list[Claim]]:
    """Subjects whose condition depends on how many of their utterances do not fit, or on nothing."""
    rng = np.random.default_rng(context.seed)
    levels = rng.uniform(0, 1, _SUBJECTS)
    pools = [np.flatnonzero(test.differs == value) for value in (0, 1)]
    chosen = np.array(
        [[rng.choice(pools[int(inconsistent)]) for inconsistent in rng.random(_UTTERANCES) < level] for level in levels]
    )
    plain = np.hstack([stream.means[chosen].mean(axis=1) for stream in (test.text, test.voice)])
    mismatch = scores[chosen].mean(axis=1, keepdims=True)
    linked = (rng.random(_SUBJECTS) < 1 / (1 + np.exp(-8 * (levels - 0.5)))).astype(float)
    cut = rng.permutation(linked)
    half = np.arange(_SUBJECTS) < _SUBJECTS // 2
    sets = {"means of text and voice": plain, "with the mismatch": np.hstack([plain, mismatch])}
    values = {
        (title, name): _subject_auc(context, features, truth, half)
        for title, truth in (("linked", linked), ("link cut", cut))
        for name, features in sets.items()
    }
    roles: dict[tuple[str, str], Role] = {
        ("linked", "with the mismatch"): "result",
        ("link cut", "with the mismatch"): "control",
    }
    rows = [
        Row(f"{name}, {title}", roles.get((title, name), "baseline"), {_METRIC: value})
        for (title, name), value in values.items()
    ]
    rows.sort(key=lambda row: row.role != "baseline")
    with_it, without = values["linked", "with the mismatch"], values["linked", "means of text and voice"]
    claims = [
        claim_value("Planted subjects: AUC with the mismatch", with_it, ">=", 0.75),
        claim_value("Planted subjects: AUC without it", without, "<=", 0.55),
        claim_value("Planted subjects, link cut: AUC with it", values["link cut", "with the mismatch"], "<=", 0.60),
    ]
    return Table(f"Planted subjects of {_UTTERANCES} utterances: {int((~half).sum())}", (_METRIC,), rows), claims


def _subject_auc(context: Context, features: Array, truth: Array, half: NDArray[np.bool_]) -> Interval:
    from affectome.learn.heads import fit_head

    head = fit_head(features[half], truth[half, None], kind="presence", strength=1e-2)
    return bootstrap(auc, seed=context.seed, truth=truth[~half], probability=head.predict(features[~half])[:, 0])


def _voices(context: Context, part: Literal["dev", "test"]) -> Stream:
    from affectome.api import ReaderOptions
    from affectome.learn.voice_corpora import load_clips, load_voice_corpus

    context.folder(VOICES)
    corpus = load_voice_corpus("ravdess", context.data).part(part)
    names = np.array(_taxonomy_labels(corpus.taxonomy))[corpus.labels]
    sides = {
        **dict.fromkeys(_PLEASANT_VOICES, 1),
        **dict.fromkeys(_UNPLEASANT_VOICES, 0),
        **dict.fromkeys(_CALM, -1),
    }
    kept = np.flatnonzero([name in sides for name in names])
    kept = kept[:: 6 if context.quick else 1]
    reader: VoiceReader = ReaderOptions(taxonomy=_LABELS).open_voice(context.threads)
    heard = reader.encoder.encode(load_clips([corpus.files[i] for i in kept]))
    context.note(f"voices, {part}: {len(kept)}")
    return Stream(
        heard.means[:, :3].astype(np.float64),
        reader.read_out(heard).astype(np.float64),
        np.array([sides[name] for name in names[kept]]),
        corpus.speakers[kept],
    )


def _texts(context: Context, part: Literal["dev", "test"]) -> Stream:
    from affectome.api import ReaderOptions

    situations = load_situations(context.folder(SITUATIONS), part)
    names = np.array(_taxonomy_labels("ed32"))[situations.labels]
    sides = {**dict.fromkeys(_PLEASANT_TEXTS, 1), **dict.fromkeys(_UNPLEASANT_TEXTS, 0)}
    kept = [i for i, name in enumerate(names) if name in sides]
    kept = kept[:: 6 if context.quick else 1]
    reader: TextReader = ReaderOptions(taxonomy=_LABELS).open(context.threads)
    means, shares = _read_texts(reader, [situations.texts[i] for i in kept])
    context.note(f"texts, {part}: {len(kept)}")
    groups = np.array([f"text {i}" for i in kept])
    return Stream(means, shares, np.array([sides[names[i]] for i in kept]), groups)


def _read_texts(reader: TextReader, texts: list[str]) -> tuple[Array, Array]:
    import polars as pl

    segments = pl.DataFrame(
        {"id": [str(k) for k in range(len(texts))], "source": "", "text": texts, "error": ""}
    ).with_columns(
        meta=pl.struct(time=pl.lit(None, pl.Datetime("us")), group=pl.lit(None, pl.String)),
        start=pl.lit(None, pl.Float64),
        end=pl.lit(None, pl.Float64),
        speaker=pl.lit(None, pl.String),
    )
    found = reader.perceive(segments)
    middle = found.select(pl.col(_DIMENSIONS).fill_null(0.0)).to_numpy().astype(np.float64)
    shares = found["emotion"].struct.unnest().fill_null(1 / len(reader.labels)).to_numpy().astype(np.float64)
    return middle, shares


def _taxonomy_labels(name: str) -> tuple[str, ...]:
    from affectome.affect import load_taxonomy

    return load_taxonomy(name).labels


STUDY = Study(
    number=9,
    id="atei",
    title="ATEI",
    paper="arXiv 2412.18614",
    data=(VOICES, SITUATIONS),
    extras=("study", "voice"),
    run=run,
    missing=(
        "counselling talks with a diagnosis, which are private, and so any figure about depression",
        "the two-way attention network over frames and words; what is learnt here is a linear head over products",
    ),
)
