import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from affectome.errors import MissingExtraError, RunError
from affectome.media import Decoder, DecodingLimits, Findings, decoder, decoding

pytest.importorskip("av", reason="needs the voice extra")


def read(tool, path):
    *blocks, findings = tool.decode(path)
    assert isinstance(findings, Findings)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32), findings


def directly(path, **limits):
    """Decode within this process, as the child does."""
    blocks = []
    findings = decoder.decode(path, blocks.append, **{"most_seconds": 3600.0, **limits})
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32), findings


def peak(samples):
    """The strongest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / 16_000)[spectrum.argmax()])


def test_what_is_written_is_read(tmp_path, sounds):
    tone = sounds.tone(1.0)
    with Decoder() as tool:
        samples, findings = read(tool, sounds.write_wav(tmp_path / "a.wav", tone))
        assert np.abs(samples - tone).max() < 2e-4
        assert samples.dtype == np.float32
        assert (findings.code, findings.seconds, findings.rate, findings.channels) == ("", 1.0, 16_000, 1)
        child = tool._child.process
        read(tool, tmp_path / "a.wav")
        assert tool._child.process is child  # one child serves many files


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.flac", "flac", {}),
        ("a.ogg", "libopus", {"rate": 48_000}),
        ("a.opus", "libopus", {"rate": 48_000, "container": "ogg"}),
        ("a.mp3", "libmp3lame", {"rate": 44_100, "layout": "stereo"}),
        ("a.m4a", "aac", {"rate": 44_100}),
        ("a.aac", "aac", {"rate": 44_100, "container": "adts"}),
        ("a.wma", "wmav2", {"rate": 44_100, "container": "asf"}),
        ("a.aiff", "pcm_s24be", {"rate": 8000}),
        ("a.au", "pcm_s16be", {"rate": 22_050}),
        ("a.webm", "libopus", {"rate": 48_000}),
        ("a.mkv", "flac", {"video": True}),
        ("a.mp4", "aac", {"video": True}),
        ("a.mov", "pcm_s16le", {"video": True}),
        ("a.avi", "libmp3lame", {"video": True}),
        ("a.flv", "aac", {"rate": 44_100}),
    ],
)
def test_kinds_of_files(tmp_path, sounds, name, codec, options):
    tone = sounds.tone(2.0, options.get("rate", 16_000))
    samples, findings = directly(sounds.encode(tmp_path / name, tone, codec, **options))
    assert findings.code == ""
    assert len(samples) / 16_000 == pytest.approx(2.0, abs=0.15)
    assert peak(samples[4000:-4000]) == pytest.approx(440, abs=2)
    assert np.abs(samples[8000:-8000]).max() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 96_000, 768_000])
def test_rates(tmp_path, sounds, rate):
    samples, findings = directly(sounds.write_wav(tmp_path / "a.wav", sounds.tone(1.5, rate), rate))
    assert findings.rate == rate
    assert len(samples) == pytest.approx(24_000, abs=2)
    assert peak(samples) == pytest.approx(440, abs=2)


def test_what_lies_above_the_band_is_gone(tmp_path, sounds):
    samples, _ = directly(sounds.write_wav(tmp_path / "a.wav", sounds.tone(1, 48_000, hertz=12_000), 48_000))
    assert np.abs(samples[1000:-1000]).max() < 0.001


def test_channels_are_averaged(tmp_path, sounds):
    tone = sounds.tone(0.5)
    pair = np.stack([tone, np.zeros_like(tone)], axis=1)
    samples, findings = directly(sounds.write_wav(tmp_path / "a.wav", pair))
    assert findings.channels == 2
    assert np.abs(samples - tone / 2).max() < 1e-4


@pytest.mark.parametrize("kind", ["PAF", "VOC", "NIST", "HTK"])
def test_libsndfile_reads_what_libav_does_not(tmp_path, sounds, kind):
    import soundfile

    path = tmp_path / "a.wav"
    soundfile.write(path, sounds.tone(1), 16_000, format=kind)
    samples, findings = directly(path)
    assert (findings.code, len(samples)) == ("", 16_000)
    assert peak(samples) == pytest.approx(440, abs=2)


def test_a_length_that_is_too_much(tmp_path, sounds):
    path = sounds.write_wav(tmp_path / "a.wav", sounds.tone(6))
    samples, findings = directly(path, most_seconds=5.0)
    assert len(samples) == 80_000
    assert (findings.code, findings.seconds) == ("too_long", 5.0)


def test_samples_that_are_no_numbers(tmp_path, sounds):
    values = np.full(1600, 0.25, "<f4")
    values[10:13] = np.nan, np.inf, -np.inf
    values[13:15] = 1e30, -1e30
    samples, findings = directly(sounds.write_raw_wav(tmp_path / "a.wav", values.tobytes(), tag=3, bits=32))
    assert samples[9:16].tolist() == [0.25, 0, 0, 0, 1, -1, 0.25]
    assert findings.bad_samples == 3


def test_too_little_memory_is_a_code(tmp_path, sounds, monkeypatch):
    def swell(*_):
        raise MemoryError

    monkeypatch.setattr(decoder, "_as_float", swell)
    assert directly(sounds.write_wav(tmp_path / "a.wav", sounds.tone(1)))[1].code == "decode_memory"


def test_anything_a_library_raises_is_a_code(tmp_path, sounds, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(decoder, "_as_float", fail)
    assert directly(sounds.write_wav(tmp_path / "a.wav", sounds.tone(1)))[1].code == "undecodable"


def test_a_missing_file_is_a_code(tmp_path):
    assert directly(tmp_path / "nowhere.wav")[1].code == "undecodable"


def test_a_child_that_dies_is_replaced(tmp_path, sounds):
    path = sounds.write_wav(tmp_path / "a.wav", sounds.tone(20))
    with Decoder() as tool:
        stream = tool.decode(path)
        next(stream)
        first = tool._child.process
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        *_, findings = stream
        assert findings.code == "decoder_died"
        assert 1 <= findings.seconds < 20
        assert read(tool, path)[1].code == ""
        assert tool._child.process is not first


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs signals that stop a process")
def test_a_child_that_hangs_is_killed(tmp_path, sounds):
    path = sounds.write_wav(tmp_path / "a.wav", sounds.tone(1))
    with Decoder(DecodingLimits(block_seconds=0.5)) as tool:
        tool._child._start()
        os.kill(tool._child.process.pid, signal.SIGSTOP)
        started = time.perf_counter()
        assert read(tool, path)[1].code == "decode_timeout"
        assert time.perf_counter() - started < 10
        assert tool._child.process is None


def test_whoever_stops_early_does_not_spoil_the_next_file(tmp_path, sounds):
    long = sounds.write_wav(tmp_path / "long.wav", sounds.tone(30))
    short = sounds.write_wav(tmp_path / "short.wav", sounds.tone(1, hertz=880))
    with Decoder() as tool:
        stream = tool.decode(long)
        next(stream)
        stream.close()
        samples, findings = read(tool, short)
    assert findings.seconds == 1.0
    assert peak(samples) == pytest.approx(880, abs=2)


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited on Linux")
def test_the_child_cannot_take_more_memory_than_allowed():
    script = (
        "from affectome.media import child_program\nchild_program.limit_memory(64)\n"
        "try:\n    bytearray(256 << 20)\nexcept MemoryError:\n    print('refused')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(decoder.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_a_child_that_cannot_start(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder, "__file__", str(tmp_path / "nowhere.py"))
    with pytest.raises(RunError) as caught:
        next(Decoder().decode(tmp_path / "a.wav"))
    assert caught.value.code == "decoder_start"


def test_the_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(decoding, "find_spec", lambda name: None if name == "av" else object())
    with pytest.raises(MissingExtraError, match=r'pip install "affectome\[voice\]"'):
        Decoder()


def test_a_file_with_many_broken_packets_is_damaged(tmp_path, sounds):
    path = sounds.encode(tmp_path / "a.m4a", sounds.tone(20), "aac")
    raw = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for place in rng.integers(len(raw) // 2, int(len(raw) * 0.9), len(raw) // 40):
        raw[place] ^= 255
    path.write_bytes(raw)
    samples, findings = directly(path)
    assert findings.code == "damaged"
    assert findings.bad_packets > 2
    assert peak(samples[:80_000]) == pytest.approx(440, abs=2)
    assert len(samples) > 8 * 16_000
