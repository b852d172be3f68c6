"""Films: what is opened by default and on request, and a real one from its file to its fused rows."""

import json

import polars as pl
import pytest

pytest.importorskip("av", reason="needs the voice extra")
pytest.importorskip("PIL", reason="needs the face extra")

from affectome.api import InputOptions, analyze, open_source
from affectome.errors import InputError, MissingExtraError, ModelError
from affectome.pipeline import RunSettings

CLIP = "crema_d_votes/clips/1001_DFA_HAP_XX.flv"


@pytest.fixture(scope="module")
def clip(corpora):
    path = corpora / CLIP
    if not path.is_file():
        pytest.skip("AFFECTOME_DATA has no crema_d_votes/clips")
    return path


@pytest.fixture(autouse=True)
def weights():
    from affectome.models import locate

    for name in ("face-mesh", "silero-vad"):
        try:
            locate(name)
        except ModelError:
            pytest.skip(f"needs the weights of {name}")


@pytest.mark.data
@pytest.mark.parametrize(
    ("modalities", "read_as", "watched", "heard"),
    [
        (None, ("voice", "face", "fused"), True, True),
        (["voice"], ("voice",), False, True),
        (["face"], ("face",), True, False),
        (["face", "fused"], ("face", "fused"), True, False),
    ],
)
def test_what_is_read_of_a_film(clip, modalities, read_as, watched, heard):
    source, found = open_source([clip], InputOptions(), modalities)
    assert found == read_as
    assert bool(source.films) is watched
    assert bool(source.recording_entries) is heard


@pytest.mark.data
def test_words_are_read_as_text_where_they_are_written_down(clip):
    source, found = open_source([clip], InputOptions(transcribe="small"))
    assert found == ("text", "voice", "face", "fused")
    assert source.texts is None


@pytest.mark.data
def test_recordings_pictures_and_texts_beside_a_film(clip, tmp_path):
    (tmp_path / "clip.flv").write_bytes(clip.read_bytes())
    (tmp_path / "posts.csv").write_text("text\nhello\n")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    source, found = open_source([tmp_path], InputOptions())
    assert found == ("text", "voice", "face", "image", "fused")
    assert len(source.film_entries) == len(source.picture_entries) == len(source.recording_entries) == 1
    assert source.recordings is None


def test_nothing_is_fused_without_a_film(tmp_path):
    (tmp_path / "posts.csv").write_text("text\nhello\n")
    _, found = open_source([tmp_path], InputOptions(), ["text", "fused"])
    assert found == ("text",)
    with pytest.raises(InputError):
        open_source([tmp_path], InputOptions(), ["face", "fused"])


@pytest.mark.data
def test_a_film_from_its_file_to_its_report(clip, tmp_path):
    out = tmp_path / "out"
    result = analyze(clip, out, settings=RunSettings(workers=2))
    table = pl.read_parquet(result.estimates)
    assert result.failed == 0
    assert table["modality"].unique().sort().to_list() == ["face", "fused", "voice"]
    assert table["id"].n_unique() == len(table)
    fused = table.filter(pl.col("modality") == "fused")
    assert fused["speaker"].unique().to_list() == ["P1"]
    assert fused["emotion"].struct.unnest().sum_horizontal().to_list() == pytest.approx([1] * len(fused), abs=1e-5)
    assert fused["conflict"].struct.field("discord").drop_nulls().is_between(0, 1).all()
    # The actor was told to be happy: the face says so over most of the clip.
    assert fused["top"].value_counts(sort=True)["top"][0] in ("joy", "surprise")
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["films"][clip.name]["size"] == "480 x 360"
    assert record["people"][clip.name][0]["link"] > 0.8
    assert 'id="films"' in (out / "report.html").read_text(encoding="utf-8")
    again = analyze(clip, tmp_path / "again", settings=RunSettings(workers=1))
    assert again.estimates.read_bytes() == result.estimates.read_bytes()
    assert analyze(clip, out).already_complete


@pytest.mark.data
def test_without_the_face_extra_the_voice_can_be_read(clip, monkeypatch):
    import affectome.media.face_detection as detection

    def missing(*_):
        raise MissingExtraError.for_extra("face", "pillow")

    monkeypatch.setattr(detection, "pillow_image", missing)
    with pytest.raises(MissingExtraError, match=r"affectome\[face\]"):
        open_source([clip], InputOptions())
    assert open_source([clip], InputOptions(), ["voice"])[1] == ("voice",)
