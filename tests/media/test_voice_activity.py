from itertools import pairwise

import numpy as np
import pytest

from affectome.errors import UsageError
from affectome.media import SpeechDetector, SpeechRules
from affectome.media.voice_activity import WINDOW, even_stretches

pytest.importorskip("av", reason="needs the voice extra")

STEP = WINDOW / 16_000  # 32 ms


class Scripted(SpeechDetector):
    """A detector whose probabilities are given: one for each window."""

    def __init__(self, *runs):
        self.heard = np.concatenate([np.full(count, value, np.float32) for count, value in runs])

    def probabilities(self, blocks):
        sound = np.concatenate(list(blocks)).reshape(-1, WINDOW)
        for start in range(0, len(sound), 64):
            yield sound[start : start + 64], self.heard[start : start + 64]

    def spans(self, level=None, **rules):
        """Spans in windows, the sound of which is checked."""
        sound = np.arange(len(self.heard) * WINDOW, dtype=np.float32) / (len(self.heard) * WINDOW)
        if level is not None:
            sound = np.repeat(np.asarray(level, np.float32), WINDOW)
        found = list(self.stretches([sound], SpeechRules(**rules)))
        for one in found:
            assert np.array_equal(one.samples, sound[one.start : one.end])
        assert all(one.end <= other.start for one, other in pairwise(found))
        return [(one.start / WINDOW, one.end / WINDOW) for one in found]


PAD = 1600 / WINDOW  # 0.1 s


def test_speech_between_silence_is_padded():
    assert Scripted((50, 0.0), (30, 0.9), (50, 0.0)).spans() == [(50 - PAD, 80 + PAD)]


def test_padding_ends_with_the_sound():
    assert Scripted((30, 0.9)).spans() == [(0, 30)]
    assert Scripted((1, 0.0), (30, 0.9), (2, 0.0)).spans() == [(0, 33)]


def test_short_speech_is_passed_over():
    assert Scripted((20, 0.0), (7, 0.9), (20, 0.0)).spans() == []  # 0.224 s
    assert len(Scripted((20, 0.0), (8, 0.9), (20, 0.0)).spans()) == 1  # 0.256 s


def test_short_pauses_do_not_divide():
    assert Scripted((30, 0.9), (9, 0.0), (30, 0.9)).spans() == [(0, 69)]
    assert Scripted((30, 0.9), (12, 0.0), (30, 0.9)).spans() == [(0, 30 + PAD), (42 - PAD, 72)]


def test_two_thresholds():
    assert Scripted((20, 0.4), (20, 0.9), (30, 0.4), (20, 0.1)).spans() == [(20 - PAD, 70 + PAD)]


def test_silence_has_no_stretch():
    assert Scripted((100, 0.1)).spans() == []


def test_long_speech_is_cut_at_its_deepest_pause():
    # 2 s less the padding: at most 56 windows; the cut falls into the second half of them
    spans = Scripted((40, 0.9), (5, 0.4), (40, 0.9), (5, 0.6), (30, 0.9)).spans(most_seconds=2.0)
    assert spans[0] == (0, 42)
    assert spans[-1][1] == 120
    assert all(end - start <= 2.0 / STEP for start, end in spans)
    assert [one[1] for one in spans[:-1]] == [two[0] for two in spans[1:]]  # nothing is lost


def test_speech_without_pause_is_cut_where_it_is_quiet():
    level = np.full(120, 0.5)
    level[44:49] = 0.1
    assert Scripted((120, 0.9)).spans(level=level, most_seconds=2.0)[0] == (0, 46)


def test_a_pause_under_way_ends_a_long_segment():
    spans = Scripted((53, 0.9), (6, 0.0), (30, 0.9)).spans(most_seconds=2.0)
    assert spans == [(0, 56), (56, 89)]  # the padding ends with what was heard by then


def test_segments_have_some_length():
    with pytest.raises(UsageError) as caught:
        SpeechRules(most_seconds=1.0)
    assert caught.value.code == "bad_segment_length"


def test_clips_are_cut_evenly():
    found = list(even_stretches([np.ones(100_000, np.float32), np.ones(70_000, np.float32)], 5.0))
    assert [(one.start, one.end) for one in found] == [(0, 80_000), (80_000, 160_000), (160_000, 170_000)]
    assert list(even_stretches([], 5.0)) == []
    assert len(list(even_stretches([np.ones(80_000, np.float32)], 5.0))) == 1


@pytest.fixture(scope="module")
def detector(silero):
    return SpeechDetector(silero)


def test_speech_is_found_and_other_sound_is_not(detector, sounds):
    sound = np.concatenate([sounds.silence(1), sounds.syllables(3), sounds.silence(1)])
    found = list(detector.stretches([sound], SpeechRules()))
    assert found[0].start >= 0.8 * 16_000
    assert found[-1].end <= 4.5 * 16_000
    assert sum(len(one.samples) for one in found) > 1.5 * 16_000
    assert list(detector.stretches([sounds.tone(4)], SpeechRules())) == []
    noise = np.random.default_rng(0).normal(0, 0.05, 64_000).astype(np.float32)
    assert list(detector.stretches([noise], SpeechRules())) == []
    assert list(detector.stretches([], SpeechRules())) == []


def test_how_the_sound_is_divided_does_not_matter(detector, sounds):
    sound = np.concatenate([sounds.silence(3), sounds.syllables(6), sounds.silence(3)])
    whole = [(one.start, one.end) for one in detector.stretches([sound], SpeechRules())]
    pieces = np.array_split(sound, [1, 100, 40_000, 40_001, 90_000])
    assert [(one.start, one.end) for one in detector.stretches(pieces, SpeechRules())] == whole


def test_a_sequence_gives_what_single_windows_give(detector, sounds):
    sound = sounds.syllables(2)[: 60 * WINDOW]
    ((windows, heard),) = detector.probabilities([sound])
    short = memory = np.zeros((1, 1, 128), np.float32)
    context, single = np.zeros(64, np.float32), []
    for window in windows:
        feed = {"input": np.concatenate([context, window])[None], "h": short, "c": memory}
        value, short, memory = detector._session.run(None, feed)
        context = window[-64:]
        single.append(value[0])
    assert heard.max() > 0.5
    assert np.abs(heard - single).max() < 1e-4
