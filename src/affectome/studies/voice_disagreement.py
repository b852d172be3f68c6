"""Speech with raters' shares as targets: which layer of an encoder to read, who is read badly, what noise costs.

The layer is chosen on development actors of RAVDESS and tested on another language and on other actors. The recordings
that the votes of CREMA-D are about are not at hand. So RAVDESS clips get the votes of a random CREMA-D clip in which
an actor of the same sex plays the same emotion as strongly: raters whose confusions are known and who agree as little
as real ones, though not for what is heard in this very clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectome.affect import VoteTable, load_taxonomy
from affectome.evaluate import (
    Interval,
    Part,
    assert_disjoint,
    bootstrap,
    hit_at_k,
    slice_scores,
    uar,
)
from affectome.studies.comparing import claim_difference, claim_value, measure
from affectome.studies.study import Claim, Context, Role, Row, Table, Value
from affectome.studies.voice_layers import LAYERS, LayerChoice, LayerReader, choose_layer
from affectome.studies.vote_students import VoteTarget, hold_out, students_claims, students_table

if TYPE_CHECKING:
    from affectome.learn.heads import Head
    from affectome.learn.voice_corpora import VoiceCorpus

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LAST = LAYERS
_SALIENT_FEATURES = 256
_GAIN = 0.02  # of unweighted average recall, over the last layer
_LEAST_CROSS = 0.40
_SECONDS, _BAND = 2.0, (60.0, 7000.0)  # what all clips of EMO-DB have in common
_CREMA = {"angry": "A", "disgust": "D", "fearful": "F", "happy": "H", "neutral": "N", "sad": "S"}
_LEVELS = {"normal": ("LO", "MD"), "strong": ("HI",)}
_TO_GERMAN = {
    "angry": "anger",
    "disgust": "disgust",
    "fearful": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sad": "sadness",
}
_QUICK = 6  # every sixth clip
_SPOKEN = "votes of CREMA-D on RAVDESS"


class SpokenFeelings:
    """The voice part of the study on label variance.

    Args:
        context: Of the study; its base is Whisper base in Hugging Face layout.
    """

    def __init__(self, context: Context) -> None:
        from affectome.learn.voice_corpora import load_clips

        self._context = context
        self._reader = LayerReader(context)
        self._acted = self._corpus("ravdess")
        self._features = self._read("ravdess", self._acted, load_clips)
        train, dev = (np.flatnonzero(self._acted.split == part) for part in ("train", "dev"))
        assert_disjoint(
            train=Part(groups=list(self._acted.speakers[train])), test=Part(groups=list(self._acted.speakers[dev]))
        )
        labels = self._acted.labels
        self.choice: LayerChoice = choose_layer(self._features[train], labels[train], self._features[dev], labels[dev])
        context.note(f"layer {self.choice.salient} is the most salient, layer {self.choice.best} the best alone")

    def run(self) -> tuple[list[Table], list[Claim], list[str]]:
        """Tables, claims and notes."""
        german = self._german()
        parts = [self._of_layers(), german, self._across(), self._distorted(), self._students()]
        tables = [table for some, _ in parts for table in some]
        return tables, [claim for _, claims in parts for claim in claims], _NOTES

    def _corpus(self, name: str) -> VoiceCorpus:
        from affectome.learn.voice_corpora import known_corpora, load_voice_corpus

        self._context.folder(known_corpora()[name]["folder"])
        corpus = load_voice_corpus(name, self._context.data)
        return corpus.at(np.arange(0, len(corpus.files), _QUICK)) if self._context.quick else corpus

    def _read(self, name: str, corpus: VoiceCorpus, load: Callable[[Sequence[Path]], list[Array]]) -> Array:
        return self._reader.read(f"{name}-{len(corpus.files)}", lambda: load(corpus.files))

    def _of_layers(self) -> tuple[list[Table], list[Claim]]:
        """What the choice was made by."""
        even = 1 / (LAYERS + 1)
        chance = 1 / (int(self._acted.labels.max()) + 1)
        rows = [Row("all layers alike, guessed labels", "baseline", {"saliency": even, "UAR": chance})]
        rows += [
            Row(_layer(layer), "result", {"saliency": float(share), "UAR": float(gain)})
            for layer, (share, gain) in enumerate(zip(self.choice.saliency, self.choice.gain, strict=True))
        ]
        dev = self._acted.part("dev")
        title = f"RAVDESS development actors, layers of Whisper base: {len(dev.files)} clips"
        return [Table(title, ("saliency", "UAR"), rows)], []

    def _german(self) -> tuple[list[Table], list[Claim]]:
        """EMO-DB, every speaker by heads that learnt from the others."""
        context, corpus = self._context, self._corpus("emodb")
        features = self._read("emodb-2s", corpus, _short_clips)
        speakers, labels = corpus.speakers, corpus.labels
        vault = context.vault(
            {f"EMO-DB, speaker {one}": np.flatnonzero(speakers == one) for one in _distinct(speakers)}
        )
        shuffled = np.random.default_rng(context.seed).permutation(labels)
        salient, order = self.choice.salient, self.choice.order
        chance = np.random.default_rng(context.seed).permutation(features.shape[2])
        views: dict[str, tuple[Role, Array, Ints, int]] = {
            "chosen layer, shuffled labels": ("control", features[:, salient], shuffled, salient),
            f"chosen layer, {_SALIENT_FEATURES} features at random": (
                "control",
                features[:, salient][:, chance[:_SALIENT_FEATURES]],
                labels,
                salient,
            ),
            **{_layer(layer): ("result", features[:, layer], labels, layer) for layer in range(features.shape[1])},
            f"chosen layer, {_SALIENT_FEATURES} most salient features": (
                "result",
                features[:, salient][:, order[:_SALIENT_FEATURES]],
                labels,
                salient,
            ),
        }
        said = {name: np.zeros(len(labels), np.int64) for name in views}
        most = np.zeros(len(labels), np.int64)
        for one in _distinct(speakers):
            test = vault.open(f"EMO-DB, speaker {one}", purpose="comparison of layers")
            train = np.flatnonzero(speakers != one)
            most[test] = np.bincount(labels[train]).argmax()
            for name, (_, view, targets, layer) in views.items():
                said[name][test] = self._fit(view[train], targets[train], layer).predict(view[test]).argmax(axis=1)
        context.note("EMO-DB")
        score = partial(measure, {"UAR": _uar(labels)}, truth=labels, seed=context.seed, groups=speakers)
        rows = [Row("most frequent label", "baseline", score(prediction=most))]
        rows += [Row(name, role, score(prediction=said[name])) for name, (role, *_) in views.items()]
        claims = [
            claim_difference(
                f"EMO-DB, every speaker by the others: UAR of layer {salient}, the most salient on RAVDESS, minus that"
                " of the last layer",
                _uar(labels),
                truth=labels,
                first=said[_layer(salient)],
                second=said[_layer(_LAST)],
                comparison=">=",
                threshold=_GAIN,
                by="value",
                seed=context.seed,
                groups=speakers,
            )
        ]
        title = (
            f"EMO-DB, 7 labels, each of {len(_distinct(speakers))} speakers by the others: {len(labels)} clips of 2 s"
        )
        return [Table(title, ("UAR",), rows)], claims

    def _across(self) -> tuple[list[Table], list[Claim]]:
        """From English to German, on the labels that both have."""
        context, german = self._context, self._corpus("emodb")
        ours, theirs = (load_taxonomy(name).labels for name in (self._acted.taxonomy, german.taxonomy))
        place = {ours.index(word): k for k, word in enumerate(_TO_GERMAN)}
        place_german = {theirs.index(word): k for k, word in enumerate(_TO_GERMAN.values())}
        train = np.flatnonzero((self._acted.split == "train") & np.isin(self._acted.labels, list(place)))
        test = np.flatnonzero(np.isin(german.labels, list(place_german)))
        labels = np.array([place[label] for label in self._acted.labels[train].tolist()])
        truth = np.array([place_german[label] for label in german.labels[test].tolist()])
        features = self._read("emodb-2s", german, _short_clips)
        shuffled = np.random.default_rng(context.seed).permutation(labels)
        plan: dict[str, tuple[Role, int, Ints]] = {
            "chosen layer, shuffled labels": ("control", self.choice.salient, shuffled),
            _layer(_LAST): ("result", _LAST, labels),
            _layer(self.choice.salient): ("result", self.choice.salient, labels),
        }
        score = partial(measure, {"UAR": _uar(truth)}, truth=truth, seed=context.seed, groups=german.speakers[test])
        most = np.full(len(truth), np.bincount(labels).argmax())
        rows = [Row("most frequent label", "baseline", score(prediction=most))]
        for name, (role, layer, targets) in plan.items():
            head = self._fit(self._features[train, layer], targets, layer)
            rows.append(Row(name, role, score(prediction=head.predict(features[test, layer]).argmax(axis=1))))
        reached = rows[-1].values["UAR"]
        assert isinstance(reached, Interval)
        text = f"RAVDESS to EMO-DB, {len(place)} labels: UAR of layer {self.choice.salient}"
        claims = [claim_value(text, reached, ">=", _LEAST_CROSS)]
        return [Table(f"RAVDESS to EMO-DB, {len(place)} labels: {len(truth)} clips of 2 s", ("UAR",), rows)], claims

    def _distorted(self) -> tuple[list[Table], list[Claim]]:
        """New actors, as they were recorded and as noise, rooms and telephones leave them; then actor by actor."""
        from affectome.learn.voice_corpora import load_clips

        context, labels = self._context, self._acted.labels
        vault = context.vault({"RAVDESS test": np.flatnonzero(self._acted.split == "test")})
        test = vault.open("RAVDESS test", purpose="comparison of layers")
        train = np.flatnonzero(self._acted.split == "train")
        corpus = self._acted.at(test)
        copies = {
            "as recorded": self._features[test],
            **{
                name: self._read(f"ravdess-test-{file}", corpus, lambda paths, alter=alter: alter(load_clips(paths)))  # type: ignore[misc]
                for name, (file, alter) in _distortions(context.seed).items()
            },
        }
        score = partial(
            measure, {"UAR": _uar(corpus.labels)}, truth=corpus.labels, seed=context.seed, groups=corpus.speakers
        )
        shuffled = np.random.default_rng(context.seed).permutation(labels[train])
        heads: dict[str, tuple[Role, int, Head]] = {
            "chosen layer, shuffled labels": ("control", self.choice.salient, self._head(train, shuffled)),
            _layer(_LAST): ("result", _LAST, self._head(train, labels[train], _LAST)),
            _layer(self.choice.salient): ("result", self.choice.salient, self._head(train, labels[train])),
        }
        most = np.full(len(test), np.bincount(labels[train]).argmax())
        rows = [Row("most frequent label", "baseline", {name: score(prediction=most)["UAR"] for name in copies})]
        outputs: dict[str, Floats] = {}
        for name, (role, layer, head) in heads.items():
            read = {copy: head.predict(features[:, layer]) for copy, features in copies.items()}
            rows.append(Row(name, role, {copy: score(prediction=p.argmax(axis=1))["UAR"] for copy, p in read.items()}))
            outputs[name] = read["as recorded"]
        tables = [Table(f"RAVDESS test actors, UAR: {len(test)} clips", tuple(copies), rows)]
        by_actor, claim = self._by_actor(corpus, outputs)
        context.note("distorted copies")
        return [*tables, by_actor], [claim]

    def _by_actor(self, corpus: VoiceCorpus, outputs: Mapping[str, Floats]) -> tuple[Table, Claim]:
        """n-best hits of the worst and the best actor and of each sex: RAVDESS numbers actresses even."""
        context = self._context
        sex = np.array(["actresses" if int(who.rpartition("/")[2]) % 2 == 0 else "actors" for who in corpus.speakers])
        k = len(load_taxonomy(corpus.taxonomy).labels)
        uniform = np.full((len(corpus.labels), k), 1 / k)
        columns = [f"{n}-best{part}" for n in (1, 2, 3) for part in ("", ", worst actor", ", spread of actors")]
        columns += ["1-best, actresses", "1-best, actors"]
        rows, spread = [], {}
        for name, output in {"guessed labels": uniform, **outputs}.items():
            role: Role = "baseline" if output is uniform else "control" if "shuffled" in name else "result"
            values: dict[str, Value] = {}
            for n in (1, 2, 3):
                metric = partial(hit_at_k, k=n)
                slices = slice_scores(metric, by=corpus.speakers, truth=corpus.labels, probability=output)
                values[f"{n}-best"] = bootstrap(
                    metric, seed=context.seed, groups=corpus.speakers, truth=corpus.labels, probability=output
                )
                values[f"{n}-best, worst actor"] = slices.worst.score.value if slices.worst else float("nan")
                values[f"{n}-best, spread of actors"] = slices.spread
            for part in slice_scores(partial(hit_at_k, k=1), by=sex, truth=corpus.labels, probability=output).groups:
                values[f"1-best, {part.group}"] = part.score.value
            rows.append(Row(name, role, values))
            spread[name] = [values[f"{n}-best, spread of actors"] for n in (1, 3)]
        first, third = spread[_layer(self.choice.salient)]
        assert isinstance(first, float)
        assert isinstance(third, float)
        text = f"RAVDESS test, layer {self.choice.salient}: spread of actors at 1-best minus that at 3-best"
        title = f"RAVDESS test, n-best hits of {len(_distinct(corpus.speakers))} actors: {len(corpus.labels)} clips"
        return Table(title, columns, rows), Claim(text, first - third, 0.0, ">")

    def _students(self) -> tuple[list[Table], list[Claim]]:
        """Students of shares and of majorities, by actors they did not hear."""
        context, corpus = self._context, self._acted
        names = load_taxonomy(corpus.taxonomy).labels
        rows = np.flatnonzero([names[label] in _CREMA for label in corpus.labels])
        part = corpus.at(rows)
        path = context.folder("crema_d_votes") / "votes.csv.gz"
        votes = borrow_votes(part, pl.read_csv(path), np.random.default_rng(context.seed))
        target = VoteTarget(_SPOKEN, votes.soft_labels(), votes.consensus("split").weight)
        speakers = np.unique(part.speakers, return_inverse=True)[1]
        salient = self._features[rows][:, self.choice.salient, self.choice.order[:_SALIENT_FEATURES]]
        heard = salient.astype(np.float64)
        held = hold_out(context, target, {"voice": lambda train: heard}, speakers)
        title = f"RAVDESS by unheard actors, {_SPOKEN}: {len(rows):,} clips"
        return [students_table(context, held, title)], students_claims(context, held)

    def _head(self, train: Ints, labels: Ints, layer: int | None = None) -> Head:
        which = self.choice.salient if layer is None else layer
        return self._fit(self._features[train, which], labels, which)

    def _fit(self, features: Array, labels: Ints, layer: int) -> Head:
        """A probe with the penalty that was chosen for the layer on development actors."""
        from affectome.learn.heads import fit_head

        targets = np.eye(int(labels.max()) + 1)[labels]
        return fit_head(features, targets, kind="choice", strength=float(self.choice.strengths[layer]))


_NOTES = [
    "Layers of Whisper base are read as means and standard deviations over time, by linear probes whose penalty was"
    " chosen for each layer on four development actors of RAVDESS. Saliency is the mean size of gradient times"
    " activation of one probe over all layers, after the inferred rule; the layer with the best probe of its own is in"
    " the same table.",
    "All clips of EMO-DB were cut to 2 s and to 60 to 7,000 Hz: those of three labels exist in a shortened copy only.",
    "Raters of RAVDESS clips are simulated: each clip has the votes on a random CREMA-D clip heard alone, of the same"
    " emotion, the same sex of the actor, and of high strength for strong, of low or medium strength for normal. How"
    " far they disagree is real, but is tied to emotion, sex and strength alone and not to the clip itself.",
    f"Both students read the {_SALIENT_FEATURES} most salient features of that layer, which were chosen with actors"
    " among whom they are tested; each has the penalty that suits what it learns.",
]


def borrow_votes(corpus: VoiceCorpus, votes: pl.DataFrame, rng: np.random.Generator) -> VoteTable:
    """Votes of listeners for acted clips, each those on another clip that is acted alike.

    Args:
        corpus: Clips of RAVDESS whose emotions CREMA-D has too.
        votes: A row a CREMA-D clip and channel.
        rng: Chooses the clips.
    """
    names = load_taxonomy(corpus.taxonomy).labels
    heard = votes.filter(modality="voice")
    counts = []
    for label, strength, who in zip(corpus.labels, corpus.strengths, corpus.speakers, strict=True):
        acted = _CREMA[names[label]]
        levels = ("XX",) if acted == "N" else _LEVELS["strong" if strength == 1 else "normal"]
        sex = "Female" if int(who.rpartition("/")[2]) % 2 == 0 else "Male"
        alike = heard.filter(
            (pl.col("intended") == acted) & pl.col("intended_level").is_in(levels) & (pl.col("actor_sex") == sex)
        ).select(tuple(_CREMA.values()))
        counts.append(alike.row(int(rng.integers(len(alike)))))
    return VoteTable.from_counts(np.array(counts), tuple(_CREMA))


def _short_clips(paths: Sequence[Path]) -> list[Array]:
    """The first two seconds, in the band that all clips have, at one loudness."""
    from affectome.learn.voice_augmentation import limit_band
    from affectome.learn.voice_corpora import load_clips
    from affectome.perceive.log_mel import level

    return [level(limit_band(clip, *_BAND)) for clip in load_clips(paths, seconds=_SECONDS)]


def _distortions(seed: int) -> dict[str, tuple[str, Callable[[list[Array]], list[Array]]]]:
    """What happens to clips, by its name and the name under which what is heard is kept."""
    from affectome.learn.voice_augmentation import add_noise, reverberate, telephone

    rng = np.random.default_rng(seed)
    return {
        "noise of 10 dB": (f"noise-{seed}", lambda clips: [add_noise(clip, 10.0, rng) for clip in clips]),
        "reverberation of 0.6 s": (f"room-{seed}", lambda clips: [reverberate(clip, 0.6, rng) for clip in clips]),
        "telephone": ("telephone", lambda clips: [telephone(clip) for clip in clips]),
    }


def _layer(number: int) -> str:
    return "convolutions" if number == 0 else "last layer" if number == _LAST else f"layer {number}"


def _distinct(values: NDArray[np.str_]) -> list[str]:
    return [str(value) for value in np.unique(values)]


def _uar(labels: Ints) -> Callable[..., Any]:
    """Unweighted average recall of numbered labels."""
    return partial(uar, labels=tuple(map(str, range(int(labels.max()) + 1))))
