"""Texts and recordings as one stream."""

from __future__ import annotations

import wave

import numpy as np
import pytest

pytest.importorskip("av")

from affectome.errors import InputError
from affectome.media import MixedSource, part_inputs, read_recordings, read_segments


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "posts.csv").write_text("text\nhello there\ngood bye\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with wave.open(str(tmp_path / "tone.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes((9000 * np.sin(np.arange(8000) / 8)).astype("<i2").tobytes())
    return tmp_path


def test_a_folder_may_hold_all(folder):
    assert part_inputs([folder]) == {"text": [folder], "sound": [folder], "film": [], "picture": [folder]}


def test_named_files_are_of_one_kind(folder):
    posts, tone, picture = folder / "posts.csv", folder / "tone.wav", folder / "picture.png"
    assert part_inputs([posts, picture, tone]) == {"text": [posts], "sound": [tone], "film": [], "picture": [picture]}
    assert part_inputs(["-"]) == {"text": ["-"], "sound": [], "film": [], "picture": []}


def test_a_named_file_of_no_known_ending_is_what_it_begins_like(folder):
    named = {
        "photo": (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1", "picture"),
        "scan.dat": (b"II*\0\x08\0\0\0\0\0\0\0", "picture"),
        "call": (b"RIFF\0\0\0\0WAVEfmt ", "sound"),
        "sticker": (b"RIFF\0\0\0\0WEBPVP8 ", "picture"),
        "notes": (b"BMW and P1 are cars", "text"),
    }
    for name, (content, kind) in named.items():
        (folder / name).write_bytes(content)
        assert part_inputs([folder / name])[kind] == [folder / name]


def test_nothing_was_given():
    with pytest.raises(InputError) as caught:
        part_inputs([])
    assert caught.value.code == "no_paths"


def test_one_stream(folder):
    texts, recordings = read_segments([folder]), read_recordings([folder], detector=None, whole_clips=True)
    both = MixedSource(texts, recordings)
    tables = list(both.shards())
    assert ["audio" in table.columns for table in tables] == [False, True]
    assert [table["source"][0] for table in tables] == ["posts.csv", "tone.wav"]
    assert [str(folder / name) for name in ("posts.csv", "tone.wav")] == both.inputs
    # The picture is a problem once, and the recording, which the texts' reader does not know, is none.
    assert [problem.path.name for problem in both.problems] == ["picture.png"]
    assert both.fingerprint not in (texts.fingerprint, recordings.fingerprint)


def test_one_kind_alone_keeps_its_fingerprint(folder):
    texts, recordings = read_segments([folder]), read_recordings([folder], detector=None, whole_clips=True)
    assert MixedSource(texts, None).fingerprint == texts.fingerprint
    assert MixedSource(None, recordings).fingerprint == recordings.fingerprint
    assert {problem.path.name for problem in MixedSource(texts, None).problems} == {"picture.png", "tone.wav"}
    assert MixedSource(None, recordings).inputs == [str(folder / "tone.wav")]
