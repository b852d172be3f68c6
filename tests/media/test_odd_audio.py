"""Broken and odd files: each ends in rows or a code, quickly, and the others go on."""

import struct
import time

import numpy as np
import polars as pl
import pytest

pytest.importorskip("av", reason="needs the voice extra")

from affectome.media import DecodingLimits, SpeechDetector, decoder, read_recordings

RATE = 16_000
CODES = {"", "undecodable", "no_audio_stream", "damaged", "truncated", "too_long"}
PIECES = {
    "undecodable": [
        "empty.wav",
        "zeros.wav",
        "zeros.mp3",
        "random.wav",
        "random.mp4",
        "random.ogg",
        "text.wav",
        "text.mp3",
        "html.m4a",
        "picture.mp3",
        "zip.flac",
        "riff_only.wav",
        "header_only.flac",
        "header_only.ogg",
        "mp4_head_only.mp4",
        "no_channels.wav",
        "no_bits.wav",
        "unknown_tag.wav",
        "playlist.mp3",
        "playlist.wav",
        "concat.m4a",
    ],
    "no_audio_stream": ["film_without_sound.mp4", "film_without_sound.avi", "film_without_sound.mkv"],
    "truncated": ["cut.wav", "cut_stereo.wav", "cut.flac", "cut.aiff"],
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory, sounds):
    """A folder of odd files, among them good ones."""
    folder = tmp_path_factory.mktemp("odd")
    rng = np.random.default_rng(0)
    tone = sounds.tone(4)
    pcm = np.rint(tone * 32767).astype("<i2").tobytes()
    noise = rng.integers(0, 256, 60_000, dtype=np.uint8).tobytes()

    def put(name, content):
        (folder / name).write_bytes(content)

    def raw(name, data, **header):
        sounds.write_raw_wav(folder / name, data, **header)

    put("empty.wav", b"")
    put("zeros.wav", bytes(100_000))
    put("zeros.mp3", bytes(100_000))
    for ending in ("wav", "mp4", "ogg"):
        put(f"random.{ending}", noise)
    put("random.aac", noise)
    put("text.wav", b"This is a letter, not a sound.\n" * 100)
    put("text.mp3", b"This is a letter, not a sound.\n" * 100)
    put("html.m4a", b"<!DOCTYPE html><html><body>Not found</body></html>")
    put("picture.mp3", b"\x89PNG\r\n\x1a\n" + noise[:5000])
    put("zip.flac", b"PK\x03\x04" + noise[:5000])
    put("riff_only.wav", b"RIFF\x24\x00\x00\x00WAVE")
    put("playlist.mp3", f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\n{folder / 'good.wav'}\n".encode())
    put("playlist.wav", b"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:9/secret.wav\n#EXT-X-ENDLIST\n")
    put("concat.m4a", f"ffconcat version 1.0\nfile '{folder / 'good.wav'}'\n".encode())
    raw("no_channels.wav", pcm, channels=0)
    raw("no_bits.wav", pcm, bits=0)
    raw("unknown_tag.wav", pcm, tag=0x7777)
    raw("no_samples.wav", b"")
    raw("one_sample.wav", b"\x00\x40")
    raw("half_a_sample.wav", b"\x00")
    raw("odd_bytes.wav", pcm + b"\x01")
    raw("many_channels.wav", np.repeat(np.frombuffer(pcm, "<i2"), 32).tobytes(), channels=32)
    raw("three_channels.wav", np.repeat(np.frombuffer(pcm, "<i2"), 3).tobytes(), channels=3)
    raw("very_many_channels.wav", bytes(65535 * 4), channels=65535, bits=8)
    for rate in (8, 100, 7999, 11025, 96_000, 192_000, 768_000):
        raw(f"rate_{rate}.wav", pcm[: min(len(pcm), max(64, rate * 2))], rate=rate)
    raw("rate_0.wav", pcm, rate=0)
    raw("rate_huge.wav", pcm, rate=2**32 - 1)
    raw("bits_8.wav", np.rint(tone * 127 + 128).astype(np.uint8).tobytes(), bits=8)
    raw("bits_24.wav", b"".join(struct.pack("<i", int(v * 2**23))[:3] for v in tone[:RATE]), bits=24)
    raw("bits_32.wav", np.rint(tone.astype(float) * 2**31).astype("<i4").tobytes(), bits=32)
    raw("bits_17.wav", pcm, bits=17)
    floats = tone.astype("<f4")
    raw("floats.wav", floats.tobytes(), tag=3, bits=32)
    raw("doubles.wav", floats.astype("<f8").tobytes(), tag=3, bits=64)
    holes = floats.copy()
    holes[::100], holes[1::100], holes[2::100] = np.nan, np.inf, -np.inf
    raw("not_finite.wav", holes.tobytes(), tag=3, bits=32)
    raw("all_nan.wav", np.full(RATE, np.nan, "<f4").tobytes(), tag=3, bits=32)
    raw("huge_values.wav", (floats * 1e38).tobytes(), tag=3, bits=32)
    raw("placeholder.wav", pcm, stated=2**32 - 1)
    raw("placeholder_signed.wav", pcm, stated=2**31 - 1)
    raw("stated_nothing.wav", pcm, stated=0)
    raw("cut.wav", pcm[: len(pcm) // 2], stated=len(pcm))
    stereo = np.repeat(np.frombuffer(pcm, "<i2"), 2).tobytes()
    raw("cut_stereo.wav", stereo[: len(stereo) // 3], channels=2, stated=len(stereo))
    sounds.write_wav(folder / "good.wav", tone)
    sounds.write_wav(folder / "speech.wav", np.concatenate([sounds.silence(1), sounds.syllables(3), sounds.silence(1)]))
    sounds.write_wav(folder / "silence.wav", sounds.silence(5))
    sounds.write_wav(folder / "wrong_ending.mp3", tone)
    sounds.write_wav(folder / "loud.wav", np.sign(tone))
    sounds.write_wav(folder / "ünï — codé 'quoted'.wav", tone)
    sounds.write_wav(folder / "constant.wav", np.full(RATE, 0.9))

    def whole(name, codec, **options):
        sounds.encode(folder / name, tone, codec, **options)
        return (folder / name).read_bytes()

    put("cut.flac", whole("a.flac", "flac")[:-20_000])
    put("header_only.flac", (folder / "a.flac").read_bytes()[:60])
    put("cut.aiff", whole("a.aiff", "pcm_s16be")[:60_000])
    put("cut.mp3", whole("a.mp3", "libmp3lame")[:-8_000])
    put("cut.ogg", whole("a.ogg", "libopus")[:-3_000])
    put("header_only.ogg", (folder / "a.ogg").read_bytes()[:40])
    put("cut.m4a", whole("a.m4a", "aac")[:-5_000])
    put("mp4_head_only.mp4", (folder / "a.m4a").read_bytes()[:28])
    mp3 = (folder / "a.mp3").read_bytes()
    put("hole.mp3", mp3[:8_000] + noise[:8_000] + mp3[16_000:])
    put("two_in_one.mp3", mp3 + mp3)
    put("tagged.mp3", b"ID3\x03\x00\x00\x00\x00\x10\x00" + bytes(2048) + mp3)
    flac = (folder / "a.flac").read_bytes()
    put("hole.flac", flac[:20_000] + noise[:3_000] + flac[23_000:])
    for ending in ("mp4", "avi", "mkv"):
        sounds.encode(folder / f"film_without_sound.{ending}", tone, "aac", video=True, sound=False)
    sounds.encode(folder / "film.mp4", tone, "aac", video=True)
    return folder


@pytest.fixture(scope="module")
def outcome(odd, silero):
    source = read_recordings([odd], detector=SpeechDetector(silero), limits=DecodingLimits(hours=1))
    started = time.perf_counter()
    table = pl.concat(source.shards())
    return source, table, time.perf_counter() - started


def test_every_file_ends_in_rows(outcome, odd):
    source, table, _ = outcome
    assert set(table["source"]) == {path.name for path in odd.iterdir()}
    assert len(source.entries) >= 60
    assert set(table["error"]) <= CODES
    assert table["id"].is_unique().all()
    assert not table.filter(pl.col("error") != "")["audio"].is_not_null().any()


@pytest.mark.parametrize("code", PIECES)
def test_what_is_wrong_is_said(outcome, code):
    source, table, _ = outcome
    last = {name: rows["error"][-1] for (name,), rows in table.group_by("source", maintain_order=True)}
    assert {name: last[name] for name in PIECES[code]} == dict.fromkeys(PIECES[code], code)
    said = {problem.path.name: problem for problem in source.problems}
    assert {said[name].code for name in PIECES[code]} == {code}
    assert all(said[name].message.endswith(".") for name in PIECES[code])


def test_good_files_among_them_are_read(outcome):
    source, table, _ = outcome
    seconds = {entry.source: entry.seconds for entry in source.entries}
    for name in [
        "good.wav",
        "wrong_ending.mp3",
        "bits_8.wav",
        "bits_32.wav",
        "floats.wav",
        "doubles.wav",
        "not_finite.wav",
        "many_channels.wav",
        "film.mp4",
        "three_channels.wav",
        "placeholder.wav",
        "placeholder_signed.wav",
        "odd_bytes.wav",
        "a.flac",
        "a.mp3",
        "a.ogg",
        "a.m4a",
        "a.aiff",
    ]:
        assert seconds[name] == pytest.approx(4, abs=0.15), name
        assert table.filter(pl.col("source") == name)["error"].to_list() in ([""], ["", ""]), name
    assert seconds["cut.wav"] == pytest.approx(2, abs=0.01)
    assert table.filter(pl.col("source") == "speech.wav")["audio"].is_not_null().all()
    assert table.filter(pl.col("source") == "silence.wav").select("start", "end", "audio", "error").rows() == [
        (0.0, 5.0, None, "")
    ]


def test_samples_that_are_no_numbers_are_counted(outcome):
    notes = {entry.source: entry.notes for entry in outcome[0].entries}
    assert notes["not_finite.wav"]["bad_samples"] == 3 * 640
    assert notes["all_nan.wav"]["bad_samples"] == RATE
    assert notes["good.wav"]["bad_samples"] == 0


def test_it_is_quick(outcome):
    source, _, seconds = outcome
    assert seconds < 2.0 * len(source.entries)


def test_the_second_pass_gives_the_same(outcome):
    source, table, _ = outcome
    assert pl.concat(source.shards()).equals(table)


def test_none_of_them_takes_long_by_itself(odd):
    for path in odd.iterdir():
        started = time.process_time()
        findings = decoder.decode(path, lambda block: None, most_seconds=3600.0)
        assert findings.code in CODES, path.name
        assert bool(findings.code) == bool(findings.message), path.name
        assert time.process_time() - started < 2.0, path.name
