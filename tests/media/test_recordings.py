import numpy as np
import polars as pl
import pytest

from affectome.errors import InputError, UsageError
from affectome.media import (
    DecodingLimits,
    SpeechDetector,
    is_recording,
    read_recordings,
    read_segments,
    read_stream,
    recordings_schema,
    segments_schema,
)

pytest.importorskip("av", reason="needs the voice extra")


@pytest.fixture(scope="module")
def detector(silero):
    return SpeechDetector(silero)


@pytest.fixture
def talk(tmp_path, sounds):
    sound = np.concatenate([sounds.silence(1), sounds.syllables(3), sounds.silence(2), sounds.syllables(3)])
    return sounds.write_wav(tmp_path / "talk.wav", sound)


def table(source):
    return pl.concat(source.shards())


def code(kind, *arguments, **options):
    with pytest.raises(kind) as caught:
        read_recordings(*arguments, **options)
    return caught.value.code


def test_segments_of_speech(talk, detector):
    source = read_recordings([talk], detector=detector)
    rows = table(source)
    assert rows.schema == recordings_schema()
    assert list(rows.schema) == [*segments_schema(), "audio"]
    assert rows["id"].to_list() == [f"talk.wav#{n}" for n in range(rows.height)]
    assert set(rows["source"]) == {"talk.wav"}
    assert rows.select("speaker", "text").null_count().row(0) == (rows.height, rows.height)
    lengths = rows.select(pl.col("audio").bin.size() - 2 * 16_000 * (pl.col("end") - pl.col("start"))).to_series()
    assert lengths.abs().max() < 1e-6
    entry = source.entries[0]
    assert (entry.format, entry.seconds) == ("wav/pcm_s16le", 9.0)
    assert source.problems == []
    assert source.files == [talk]


def test_the_sound_is_that_of_the_file(talk, detector, sounds):
    row = table(read_recordings(talk, detector=detector)).row(0, named=True)
    whole = np.concatenate([sounds.silence(1), sounds.syllables(3), sounds.silence(2), sounds.syllables(3)])
    heard = np.frombuffer(row["audio"], "<i2") / 32767
    start = round(row["start"] * 16_000)
    assert np.abs(heard - whole[start : start + len(heard)]).max() < 2e-4


def test_clips_as_a_whole(tmp_path, sounds):
    sounds.write_wav(tmp_path / "burst.wav", sounds.tone(7))
    sounds.write_wav(tmp_path / "empty.wav", np.zeros(0))
    sounds.write_wav(tmp_path / "silent.wav", sounds.silence(2))
    rows = table(read_recordings([tmp_path], detector=None, whole_clips=True, max_seconds=5.0))
    assert rows.select("id", "start", "end", "error", pl.col("audio").bin.size()).rows() == [
        ("burst.wav#0", 0.0, 5.0, "", 160_000),
        ("burst.wav#1", 5.0, 7.0, "", 64_000),
        ("empty.wav#0", 0.0, 0.0, "", None),
        ("silent.wav#0", 0.0, 2.0, "", None),
    ]


def test_a_file_that_breaks_keeps_its_beginning(tmp_path, sounds, detector):
    sound = (np.concatenate([sounds.syllables(4), sounds.silence(1)]) * 32767).astype("<i2").tobytes()
    path = sounds.write_raw_wav(tmp_path / "cut.wav", sound, stated=3 * len(sound))
    source = read_recordings([path], detector=detector)
    rows = table(source)
    assert rows.height >= 2
    assert rows["error"].to_list() == [""] * (rows.height - 1) + ["truncated"]
    assert rows.row(-1, named=True)["start"] == 5.0
    assert [(problem.path, problem.code) for problem in source.problems] == [(path, "truncated")]
    table(source)
    assert len(source.problems) == 1  # of the last pass only


def test_shards(tmp_path, sounds):
    for number in range(5):
        sounds.write_wav(tmp_path / f"{number}.wav", sounds.tone(1))
    source = read_recordings([tmp_path], detector=None, whole_clips=True, shard_seconds=2.0)
    assert [shard.height for shard in source.shards()] == [2, 2, 1]


def test_equal_fingerprints_mean_equal_shards(talk, detector):
    def fingerprint(**options):
        return read_recordings([talk], **{"detector": detector, **options}).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    others = [
        fingerprint(max_seconds=5.0),
        fingerprint(whole_clips=True),
        fingerprint(shard_seconds=1.0),
        fingerprint(limits=DecodingLimits(hours=1)),
    ]
    raw = bytearray(talk.read_bytes())
    raw[-1] ^= 1
    talk.write_bytes(raw)
    assert len({first, fingerprint(), *others}) == 6


def test_texts_and_recordings_in_one_folder(talk, detector):
    folder = talk.parent
    (folder / "posts.csv").write_text("text\nhello\n")
    (folder / "data.bin").write_bytes(b"\0\1")
    texts, recordings = read_segments([folder]), read_recordings([folder], detector=detector)
    assert texts.files == [folder / "posts.csv"]
    assert recordings.files == [talk]
    left = {problem.path.name for problem in texts.problems if not is_recording(problem.path)}
    assert left == {problem.path.name for problem in recordings.problems} == {"data.bin"}


def test_named_files_of_no_known_ending(tmp_path, sounds, detector):
    sounds.write_wav(tmp_path / "memo", sounds.tone(1))
    (tmp_path / "notes").write_text("words")
    source = read_recordings([tmp_path / "memo", tmp_path / "notes", "-"], detector=detector)
    assert source.files == [tmp_path / "memo"]
    assert table(source).select("start", "end", "audio", "error").rows() == [(0.0, 1.0, None, "")]


@pytest.mark.parametrize(("name", "answer"), [("a.WAV", True), ("b.x.mp4", True), ("c.csv", False), ("wav", False)])
def test_endings(name, answer):
    assert is_recording(name) is answer


def test_what_cannot_be_asked_for(tmp_path, talk, detector):
    assert code(UsageError, [talk], detector=None) == "no_detector"
    assert code(UsageError, [talk], detector=detector, shard_seconds=0.0) == "bad_shard_seconds"
    assert code(UsageError, [talk], detector=detector, max_seconds=0.5) == "bad_segment_length"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("words")
    assert code(InputError, [tmp_path / "sub"], detector=detector) == "nothing_readable"
    assert code(InputError, [tmp_path / "nowhere.wav"], detector=detector) == "missing_path"
    assert code(InputError, [], detector=detector) == "no_paths"


def test_a_file_that_cannot_be_opened(talk, detector, sounds, monkeypatch):
    locked = sounds.write_wav(talk.parent / "locked.wav", sounds.tone(1))
    real_open = type(talk).open

    def refuse(path, *args, **options):
        if path.name == "locked.wav":
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, *args, **options)

    monkeypatch.setattr(type(talk), "open", refuse)
    source = read_recordings([talk.parent], detector=detector)
    assert source.files == [talk]
    assert [(problem.path, problem.code) for problem in source.problems] == [(locked, "unreadable")]


def test_a_stream_is_cut_as_the_file_is(talk, detector):
    import io
    import wave

    with wave.open(str(talk), "rb") as sound:
        raw = sound.readframes(sound.getnframes())
    whole = pl.concat(read_recordings([talk], detector=detector).shards())
    parts = pl.concat(read_stream(io.BytesIO(raw + b"\x01"), detector=detector))
    assert parts.schema == whole.schema
    assert parts["id"].to_list() == [f"stdin#{k}" for k in range(len(whole))]
    for column in ("start", "end"):
        assert parts[column].to_list() == pytest.approx(whole[column].to_list(), abs=0.04)


def test_a_stretch_of_a_stream_is_given_before_the_next_one_is_read(talk, detector):
    import wave

    with wave.open(str(talk), "rb") as sound:
        raw = sound.readframes(sound.getnframes())

    class Slow:
        given = 0

        def read(self, size):
            self.given += size
            return (raw + bytes(32_000) + raw)[self.given - size : self.given]

    stream = Slow()
    next(read_stream(stream, detector=detector))
    assert stream.given < len(raw) + 32_000


def test_a_stream_of_nothing_has_no_stretch(detector):
    import io

    assert list(read_stream(io.BytesIO(b""), detector=detector)) == []
    assert list(read_stream(io.BytesIO(bytes(64_000)), detector=detector)) == []
