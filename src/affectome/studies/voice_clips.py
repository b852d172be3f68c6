"""Clips of voices that no shipped reader has heard, what the readers make of them, and what loudness alone says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.affect import load_taxonomy
from affectome.evaluate import Part, assert_disjoint
from affectome.studies.study import Context

if TYPE_CHECKING:
    from affectome.learn.voice_corpora import VoiceCorpus
    from affectome.perceive import VoiceReader
    from affectome.perceive.voice_encoder import Heard

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_QUICK = 4  # of the training clips every fourth one


@dataclass(frozen=True, eq=False)
class HeardClips:
    """The clips of a corpus that no reader has heard, and what the readers make of them.

    Attributes:
        corpus: Test clips.
        train: Training clips, for what baselines learn.
        simple: ``(n, 2)`` loudness in dB and duration in seconds of the test clips, and of the training clips.
        heard: What each reader heard in the test clips.
        fine: ``(n, 40)`` strengths by reader, 0 to 1.
    """

    corpus: VoiceCorpus
    train: VoiceCorpus
    simple: tuple[Floats, Floats]
    heard: dict[str, Heard]
    fine: dict[str, Floats]


def open_reader(name: str, context: Context, taxonomy: str | None = None) -> VoiceReader:
    """A shipped voice reader of a taxonomy that it was trained on, by default of the 40 fine emotions."""
    from affectome.models import find_model
    from affectome.perceive import VoiceReader
    from affectome.perceive.voice import FINE

    return VoiceReader(find_model(name, task="voice-affect"), taxonomy or FINE, threads=context.threads)


def hear_clips(context: Context, name: str, readers: Mapping[str, VoiceReader]) -> HeardClips:
    """Let readers of the 40 fine emotions hear the test clips of a corpus, for the only time.

    Args:
        context: Of the study.
        name: Of the corpus.
        readers: By name; none was trained on a speaker of the test clips.
    """
    from affectome.learn.voice_corpora import known_corpora, load_sounds, load_voice_corpus

    folder = known_corpora()[name]["folder"]
    context.folder(folder)
    corpus = load_voice_corpus(name, context.data)
    train, test = corpus.part("train"), corpus.part("test")
    if context.quick:
        train = train.at(np.arange(0, len(train.files), _QUICK))
    assert_disjoint(train=Part(groups=list(train.speakers)), test=Part(groups=list(test.speakers)))
    vault = context.vault({f"{name} test": np.arange(len(test.files))})
    test = test.at(vault.open(f"{name} test", purpose="figures of the shipped readers"))
    sounds = load_sounds(test.files)
    heard = {which: reader.encoder.encode(sounds) for which, reader in readers.items()}
    fine = {which: readers[which].read_out(each).astype(np.float64) for which, each in heard.items()}
    context.note(f"{name}: {len(test.files)} clips")
    return HeardClips(test, train, (_simple(sounds), _simple(load_sounds(train.files))), heard, fine)


def _simple(sounds: Sequence[Array]) -> Floats:
    """Loudness in dB and duration in seconds: (n, 2)."""
    from affectome.perceive.spectrum import RATE

    power = [float(np.mean(sound.astype(np.float64) ** 2)) if len(sound) else 0.0 for sound in sounds]
    decibel = 10 * np.log10(np.maximum(power, 1e-12))
    return np.column_stack([decibel, [len(sound) / RATE for sound in sounds]])


def acted_levels(heard: HeardClips) -> tuple[tuple[str, ...], Ints, Floats, Floats]:
    """What is acted, as levels from 0, not at all, over 1, normal, to 2, strong.

    Returns:
        The k emotions that occur in the training clips, their columns among the 40, and the levels (n, k) of the test
        clips and of the training clips. Where a corpus does not note strengths they are 1.5.
    """
    from affectome.perceive.voice import FINE

    strengths = [2 * corpus.fine_strengths().astype(np.float64) for corpus in (heard.corpus, heard.train)]
    columns = np.flatnonzero(strengths[1].any(axis=0))
    names = load_taxonomy(FINE).labels
    return tuple(names[k] for k in columns), columns, strengths[0][:, columns], strengths[1][:, columns]


def fit_lines(x: Floats, y: Floats, at: Floats) -> Floats:
    """Least-squares lines of each column of y over x, at other values of x.

    Args:
        x: ``(n,)``.
        y: ``(n, k)`` levels 0 to 2, NaN where unknown.
        at: ``(m,)``.

    Returns:
        ``(m, k)``, kept within 0 to 2.
    """
    found = []
    for column in y.T:
        known = ~np.isnan(column)
        slope, rest = np.polyfit(x[known], column[known], 1) if np.ptp(x[known]) > 0 else (0.0, column[known].mean())
        found.append(slope * at + rest)
    return np.asarray(np.clip(np.stack(found, axis=1), 0, 2))


def pair_takes(names: Sequence[str]) -> Ints:
    """Positions (pairs, 2) of the normal and the strong take of the same feeling, sentence, repetition and actor.

    Args:
        names: Of RAVDESS files: modality, channel, emotion, strength, sentence, repetition and actor between hyphens.
    """
    takes: dict[tuple[str, ...], dict[str, int]] = {}
    for row, name in enumerate(names):
        _, _, emotion, grade, *rest = name.split("-")
        takes.setdefault((emotion, *rest), {})[grade] = row
    return np.array([(each["01"], each["02"]) for each in takes.values() if len(each) == 2], np.int64).reshape(-1, 2)
