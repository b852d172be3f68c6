"""How well the voice readers read, beside baselines and the control that should fail.

Run: python benchmarks/voice_accuracy.py --data DIR --whisper DIR --cross DIR

``--whisper`` is the base in Hugging Face layout, ``--cross`` the bundle of recipes/voice-cross.toml, which has heard no
German. Test clips are read here and nowhere else; no speaker of them is in training, which is asserted.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affectome.affect import load_taxonomy
from affectome.api import ReaderOptions
from affectome.evaluate import Part, assert_disjoint, f1, hit_at_k, uar
from affectome.learn.voice_augmentation import add_noise, encode, limit_band, telephone
from affectome.learn.voice_corpora import VoiceCorpus, load_clips, load_voice_corpus
from affectome.learn.voice_model import VoiceEncoder
from affectome.learn.voice_trainer import lower_states
from affectome.perceive import VoiceReader, measure_prosody
from affectome.perceive.log_mel import level, log_mel
from affectome.perceive.spectrum import RATE
from affectome.perceive.voice import FINE
from affectome.perceive.voice_encoder import Heard
from arguments import RESULTS
from result_rows import SEED, Results

SHARED = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "happiness": "happy",
    "sadness": "sad",
    "neutral": "neutral",
}
FULL_LENGTH = ("anger", "happiness", "neutral", "sadness")


def lost(*, truth: Any, clean: Any, worse: Any) -> float:
    """How much recall a distortion costs."""
    return float(uar(truth=truth, prediction=clean)) - float(uar(truth=truth, prediction=worse))


def numbers(heard: Heard) -> Any:
    """Everything a reader gives for a clip, side by side."""
    logits = [heard.labels[name] / 4 for name in sorted(heard.labels)]
    return np.hstack([heard.vectors * 4, *logits, heard.means, heard.strength[:, None]])


def whisper_features(encoder: VoiceEncoder, clips: Sequence[Any]) -> Any:
    """Means and standard deviations over time of the frames after a Whisper's lower layers."""
    states = lower_states(encoder, [log_mel(clip) for clip in clips])
    return np.array([np.hstack([each.mean(0, dtype=np.float32), each.std(0, dtype=np.float32)]) for each in states])


def linear(x: Any, y: Any) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000, class_weight="balanced")).fit(x, y)


def prosody(clips: Sequence[Any]) -> Any:
    rows = np.array([list(measure_prosody(clip).values()) for clip in clips])
    return np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)


def ravdess(results: Results, readers: dict[str, VoiceReader], whisper: VoiceEncoder, data: Path) -> None:
    corpus = load_voice_corpus("ravdess", data)
    train, test = corpus.part("train"), corpus.part("test")
    assert_disjoint(train=Part(groups=list(train.speakers)), test=Part(groups=list(test.speakers)))
    clips, clean = load_clips(train.files), load_clips(test.files)
    add = functools.partial(results.add, "RAVDESS test, 8 labels", groups=test.speakers, truth=test.labels)
    most = np.full(len(test.labels), np.bincount(train.labels).argmax())
    add("most frequent label", "UAR", uar, prediction=most)
    heard = {name: reader.encoder.encode(clean) for name, reader in readers.items()}
    main = readers["voice-all"]
    given = main.read_out(heard["voice-all"]).argmax(1)
    add("voice-all, clips in another order", "UAR", uar, prediction=np.random.default_rng(SEED).permutation(given))
    add("prosody, linear", "UAR", uar, prediction=linear(prosody(clips), train.labels).predict(prosody(clean)))
    frozen = linear(whisper_features(whisper, clips), train.labels).predict(whisper_features(whisper, clean))
    add("Whisper base, layer 3, linear", "UAR", uar, prediction=frozen)
    for name, reader in readers.items():
        if reader.taxonomy == "ravdess8":
            add(name, "UAR", uar, prediction=reader.read_out(heard[name]).argmax(1))
    for k in (2, 3):
        several = functools.partial(hit_at_k, k=k)
        add("voice-all", f"hit@{k}", several, probability=main.read_out(heard["voice-all"]))
    for name in ("voice-all", "voice-clean"):
        opened = opened_reader(name, load_taxonomy("ravdess8").labels)
        add(f"{name}, open vocabulary", "UAR", uar, prediction=opened.read_out(heard[name]).argmax(1))
    rng = np.random.default_rng(SEED)
    distortions: dict[str, Callable[[Any], Any]] = {
        "noise of 10 dB": lambda clip: add_noise(clip, 10.0, rng, kind="pink"),
        "telephone band": telephone,
        "codec of 32 kbit/s": lambda clip: encode(clip, 32),
    }
    for name, distort in distortions.items():
        worse = main.read_out(main.encoder.encode([distort(clip) for clip in clean])).argmax(1)
        add(f"voice-all, {name}", "UAR lost", lost, clean=given, worse=worse)
    strengths(results, main, heard["voice-all"], test)


def strengths(results: Results, reader: VoiceReader, heard: Heard, test: VoiceCorpus) -> None:
    """Whether the strong version of a feeling is read as stronger than the normal one, the rest being the same."""
    strength = reader.strengths(heard, reader.read_out(heard))
    assert strength is not None
    pairs: dict[tuple[str, ...], dict[str, int]] = {}
    for row, file in enumerate(test.files):
        _, _, emotion, grade, statement, repetition, actor = file.stem.split("-")
        pairs.setdefault((emotion, statement, repetition, actor), {})[grade] = row
    both = [(each["01"], each["02"]) for each in pairs.values() if len(each) == 2]
    normal, strong = np.array(both).T
    label = test.labels[strong]
    values = (strength[strong, label] > strength[normal, label]).astype(float)
    results.add(
        "RAVDESS test, pairs",
        "coin",
        "share",
        lambda values: values.mean(),
        test.speakers[strong],
        values=values * 0 + 0.5,
    )
    results.add(
        "RAVDESS test, pairs", "voice-all", "share", lambda values: values.mean(), test.speakers[strong], values=values
    )


def emodb(results: Results, cross: VoiceReader, whisper: VoiceEncoder, last: VoiceEncoder, data: Path) -> None:
    corpus = load_voice_corpus("emodb", data)
    names = load_taxonomy("emodb7").labels
    clips = load_clips(corpus.files)
    # Six shared labels with a reader that has heard no German.
    six = np.flatnonzero([names[label] in SHARED for label in corpus.labels])
    ours = load_taxonomy("ravdess8").labels
    columns = [ours.index(word) for word in SHARED.values()]
    truth = np.array([list(SHARED).index(names[label]) for label in corpus.labels[six]])
    heard = cross.encoder.encode(clips)
    p = cross.read_out(heard)[six]
    add = functools.partial(results.add, "RAVDESS to EMO-DB, 6 labels", groups=corpus.speakers[six], truth=truth)
    add("most frequent label", "UAR", uar, prediction=np.full(len(truth), np.bincount(truth).argmax()))
    shuffled = np.random.default_rng(SEED).permutation(p[:, columns].argmax(1))
    add("voice-cross, clips in another order", "UAR", uar, prediction=shuffled)
    train = load_voice_corpus("ravdess", data).part("train")
    known = np.isin(train.labels, columns)
    frozen = linear(
        whisper_features(whisper, load_clips([f for f, k in zip(train.files, known, strict=True) if k])),
        np.array([columns.index(x) for x in train.labels[known]]),
    )
    add(
        "Whisper base, layer 3, linear",
        "UAR",
        uar,
        prediction=frozen.predict(whisper_features(whisper, [clips[i] for i in six])),
    )
    add("voice-cross", "UAR", uar, prediction=p[:, columns].argmax(1))
    # One speaker left out at a time; the features come from a reader that has heard none of them.
    full = np.flatnonzero([names[label] in FULL_LENGTH for label in corpus.labels])
    leave_one_out(
        results, "EMO-DB, 4 labels at full length", corpus.at(full), [clips[i] for i in full], cross, whisper, last
    )
    short = [level(limit_band(clip[: 2 * RATE], 60.0, 7000.0)) for clip in clips]
    leave_one_out(results, "EMO-DB, 7 labels, 2 s, band-limited", corpus, short, cross, whisper, last)
    # The shipped readers on the speakers they have not heard.
    test = corpus.part("test")
    sounds = load_clips(test.files)
    for name in ("voice-all", "voice-clean"):
        reader = opened_reader(name, taxonomy="emodb7")
        prediction = reader.read_out(reader.encoder.encode(sounds)).argmax(1)
        results.add("EMO-DB test, 7 labels", name, "UAR", uar, test.speakers, truth=test.labels, prediction=prediction)


def leave_one_out(
    results: Results,
    title: str,
    corpus: VoiceCorpus,
    clips: Sequence[Any],
    cross: VoiceReader,
    whisper: VoiceEncoder,
    last: VoiceEncoder,
) -> None:
    inputs = {"prosody, linear": prosody(clips), "Whisper base, layer 3, linear": whisper_features(whisper, clips)}
    tuned = numbers(cross.encoder.encode(clips))
    inputs["Whisper base, last layer, linear"] = whisper_features(last, clips)
    inputs["shuffled labels"] = tuned
    inputs["voice-cross, linear"] = tuned
    inputs["voice-cross and Whisper base, linear"] = np.hstack([tuned, inputs["Whisper base, layer 3, linear"]])
    add = functools.partial(results.add, title, groups=corpus.speakers, truth=corpus.labels)
    add("most frequent label", "UAR", uar, prediction=np.full(len(clips), np.bincount(corpus.labels).argmax()))
    for name in sorted(inputs, key=lambda name: name != "shuffled labels"):
        x, prediction = inputs[name], np.zeros(len(clips), np.int64)
        for speaker in np.unique(corpus.speakers):
            held = corpus.speakers == speaker
            labels = corpus.labels[~held]
            if name == "shuffled labels":
                labels = np.random.default_rng(SEED).permutation(labels)
            prediction[held] = linear(x[~held], labels).predict(x[held])
        add(name, "UAR", uar, prediction=prediction)


def emogator(results: Results, whisper: VoiceEncoder, data: Path) -> None:
    corpus = load_voice_corpus("emogator", data)
    train, test = corpus.part("train"), corpus.part("test")
    assert_disjoint(train=Part(groups=list(train.speakers)), test=Part(groups=list(test.speakers)))
    clips = load_clips(test.files)
    frozen = linear(whisper_features(whisper, load_clips(train.files)), train.labels)
    systems = {"Whisper base, layer 3, linear": frozen.predict(whisper_features(whisper, clips))}
    for name in ("voice-all", "voice-clean"):
        reader = opened_reader(name, taxonomy="emogator30")
        systems[name] = reader.read_out(reader.encoder.encode(clips)).argmax(1)
    rng = np.random.default_rng(SEED)
    systems = {
        "most frequent label": np.full(len(clips), np.bincount(train.labels).argmax()),
        "voice-all, clips in another order": rng.permutation(systems["voice-all"]),
        **systems,
    }
    for name, prediction in systems.items():
        for metric, function in (("macro F1", f1), ("UAR", uar)):
            results.add(
                "EmoGator test, 30 labels",
                name,
                metric,
                function,
                test.speakers,
                truth=test.labels,
                prediction=prediction,
            )


@functools.cache
def opened_reader(name: str, labels: tuple[str, ...] = (), taxonomy: str | None = None) -> VoiceReader:
    return ReaderOptions(model=name, labels=labels, taxonomy=taxonomy).open_voice(threads=2)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("AFFECTOME_DATA")
    options.add_argument(
        "--data", type=Path, default=data and Path(data), required=not data, help="folder of the corpora"
    )
    options.add_argument("--whisper", type=Path, required=True, help="folder of Whisper base in Hugging Face layout")
    options.add_argument("--cross", required=True, help="bundle of recipes/voice-cross.toml")
    options.add_argument("--out", type=Path, default=RESULTS / "voice_accuracy.json")
    arguments = options.parse_args()
    readers = {"voice-all": opened_reader("voice-all", taxonomy="ravdess8")}
    cross = opened_reader(arguments.cross, taxonomy="ravdess8")
    readers["voice-cross"] = cross
    readers["voice-clean"] = opened_reader("voice-clean", taxonomy=FINE)
    # Layer 3 was the best of six on the development speakers of RAVDESS.
    whisper = VoiceEncoder.from_whisper(arguments.whisper, 3, 3).eval()
    last = VoiceEncoder.from_whisper(arguments.whisper, 6, 6).eval()
    results = Results()
    ravdess(results, readers, whisper, arguments.data)
    emodb(results, cross, whisper, last, arguments.data)
    emogator(results, whisper, arguments.data)
    record = {
        "models": {name: reader.card.files["model.onnx"].sha256 for name, reader in readers.items()},
        "seed": SEED,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "results": results.rows,
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
