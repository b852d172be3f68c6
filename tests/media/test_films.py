"""Films become stretches of speech and moments of faces on one time line."""

import numpy as np
import polars as pl
import pytest

pytest.importorskip("PIL", reason="needs the face extra")
av = pytest.importorskip("av", reason="needs the voice extra")

from film_made import HIGH, WIDE, SquareFinder, squares, write_film

from affectome.errors import InputError
from affectome.media import FilmDecoder, FilmLimits, read_films, read_recordings
from affectome.media.film_decoder import FilmFindings

RATE = 16_000


def still(seconds, places=((160, 90, 60),), rate=25):
    return [squares(places)] * round(seconds * rate)


def decoded(path, **limits):
    with FilmDecoder(FilmLimits(**limits)) as decoder:
        *taken, findings = decoder.decode(path)
    return taken, findings


def read(paths, *, sound=False, **options):
    finder = SquareFinder()
    heard = read_recordings(paths, detector=None, whole_clips=True, kinds=("film",)) if sound else None
    source = read_films(paths, finder=finder, digest=finder.digest, sound=heard, **options)
    return source, list(source.shards())


def test_four_pictures_a_second_where_nothing_moves(tmp_path):
    taken, findings = decoded(write_film(tmp_path / "still.mp4", still(5)))
    seconds = np.array([each.second for each in taken])
    assert np.diff(seconds).mean() == pytest.approx(0.25, abs=0.01)
    assert (findings.code, findings.width, findings.height, findings.pictures) == ("", WIDE, HIGH, 125)
    assert findings.codec == "mpeg4"
    assert taken[0].pixels.shape == (HIGH, WIDE, 3)
    assert not any(each.cut or each.blank for each in taken)


def test_twice_as_many_where_much_moves(tmp_path):
    still_taken, _ = decoded(write_film(tmp_path / "still.mp4", still(4)))
    moving = [squares([(40 + 120 * (1 + np.sin(k / 3)), 90, 110)]) for k in range(100)]
    moving_taken, _ = decoded(write_film(tmp_path / "moving.mp4", moving))
    assert len(moving_taken) > 1.6 * len(still_taken)


def test_a_cut_is_told(tmp_path):
    pictures = [squares([], shade=30)] * 50 + [squares([], shade=220)] * 50
    taken, _ = decoded(write_film(tmp_path / "cut.mp4", pictures))
    cuts = [each.second for each in taken if each.cut]
    assert len(cuts) == 1
    assert cuts[0] == pytest.approx(2.0, abs=0.13)
    assert all(each.blank for each in taken)


@pytest.mark.parametrize("turned", [0, 90, 180, -90])
def test_films_stand_as_the_camera_says(tmp_path, turned):
    path = write_film(tmp_path / "turned.mp4", still(1, [(40, 40, 50)]), turned=turned)
    taken, findings = decoded(path)
    assert (findings.width, findings.height) == ((WIDE, HIGH) if turned % 180 == 0 else (HIGH, WIDE))
    expected = np.rot90(squares([(40, 40, 50)]), turned // 90)
    assert np.abs(taken[0].pixels.astype(int) - expected).mean() < 4


def test_large_films_are_made_smaller_and_places_are_those_of_the_film(tmp_path):
    path = write_film(tmp_path / "large.mp4", [squares([(320, 180, 120)], wide=640, high=360)] * 25)
    taken, _ = decoded(path, longest=320)
    assert taken[0].pixels.shape == (180, 320, 3)
    assert taken[0].scale == 2
    _, tables = read([path], limits=FilmLimits(longest=320))
    place = tables[0]["face"][0]
    assert (place["x"], place["y"], place["size"]) == pytest.approx((320, 180, 120), abs=4)


def test_rates_that_vary_keep_their_times(tmp_path):
    times = [0, 2, 3, 10, 30, 31, 60, 61, 62, 100]
    pictures = [squares([(20 + 25 * k, 90, 60)]) for k in range(len(times))]
    taken, _ = decoded(write_film(tmp_path / "varies.mkv", pictures, times=times))
    assert {round(each.second * 25) for each in taken} <= set(times)
    assert taken[-1].second == pytest.approx(4.0, abs=0.01)


def test_faces_are_rows_with_their_track(tmp_path):
    pictures = [squares([(80 + 2 * k, 90, 60), (250, 90, 50)]) for k in range(50)]
    write_film(tmp_path / "two.mp4", pictures)
    source, tables = read([tmp_path])
    rows = pl.concat(tables)
    assert rows["speaker"].unique().sort().to_list() == ["F1", "F2"]
    one = rows.filter(pl.col("speaker") == "F1")
    assert one["start"].is_sorted()
    assert (one["end"] - one["start"]).min() > 0
    assert one["end"][:-1].to_list() == one["start"][1:].to_list()
    assert rows["id"].n_unique() == len(rows)
    assert rows["id"][0] == "two.mp4@0.000#F1"
    assert len(rows["picture"][0]) == 256 * 256 * 3
    assert source.problems == []
    entry = source.entries[0]
    assert (entry.format, entry.width, entry.notes["tracks"]) == ("mov,mp4,m4a,3gp,3g2,mj2/mpeg4", WIDE, 2)


def test_every_pass_gives_the_same(tmp_path):
    write_film(tmp_path / "a.mp4", [squares([(80 + 2 * k, 90, 60)]) for k in range(60)])
    source, tables = read([tmp_path])
    assert all(one.equals(other) for one, other in zip(tables, source.shards(), strict=True))
    assert read([tmp_path])[0].fingerprint == source.fingerprint
    assert read([tmp_path], limits=FilmLimits(a_second=2))[0].fingerprint != source.fingerprint


def test_sound_comes_before_the_faces_of_the_same_film(tmp_path):
    tone = 0.3 * np.sin(np.arange(2 * RATE) * 0.2)
    for name in ("a.mp4", "b.mp4"):
        write_film(tmp_path / name, still(2), sound=tone)
    source, tables = read([tmp_path], sound=True)
    order = [(table["source"][0], "audio" in table.columns) for table in tables]
    assert order == [("a.mp4", True), ("a.mp4", False), ("b.mp4", True), ("b.mp4", False)]
    assert source.recording_entries[0].seconds == pytest.approx(2, abs=0.2)


def test_faces_know_how_loud_the_speech_is_that_is_heard_with_them(tmp_path):
    time = np.arange(3 * RATE) / RATE
    tone = np.where(time < 1.5, 0.5, 0.05) * np.sin(time * 1200)
    write_film(tmp_path / "a.mp4", still(3), sound=tone)
    _, tables = read([tmp_path], sound=True)
    place = pl.concat(tables[1:]).with_columns(pl.col("face").struct.field("loudness"))
    early = place.filter(pl.col("start").is_between(0.3, 1.2))["loudness"]
    late = place.filter(pl.col("start").is_between(1.8, 2.7))["loudness"]
    assert early.to_list() == pytest.approx([10 * np.log10(0.125)] * len(early), abs=1.5)
    assert (early.mean() - late.mean()) == pytest.approx(20, abs=2)
    _, unheard = read([tmp_path])
    assert unheard[0]["face"].struct.field("loudness").is_null().all()


def test_a_film_without_sound_has_faces_alone(tmp_path):
    write_film(tmp_path / "mute.mp4", still(1))
    source, tables = read([tmp_path], sound=True)
    assert ["audio" in table.columns for table in tables] == [False]
    assert source.problems == []


def test_a_film_without_pictures_has_sound_alone(tmp_path):
    with av.open(str(tmp_path / "sound.mkv"), "w") as file:
        track = file.add_stream("pcm_s16le", rate=RATE, layout="mono")
        data = (8000 * np.sin(np.arange(RATE) * 0.2)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
        frame.rate = RATE
        file.mux(track.encode(frame))
        file.mux(track.encode(None))
    source, tables = read([tmp_path], sound=True)
    assert ["audio" in table.columns for table in tables] == [True]
    assert source.problems == []


def test_a_film_without_a_face_has_one_row_to_abstain_from(tmp_path):
    write_film(tmp_path / "empty.mp4", still(2, []))
    _, tables = read([tmp_path])
    rows = pl.concat(tables)
    assert rows.select("id", "picture", "error").rows() == [("empty.mp4@0.000#", None, "")]
    assert rows["end"][0] == pytest.approx(1.96)


def test_a_film_that_breaks_off_keeps_what_came_before(tmp_path):
    path = write_film(tmp_path / "long.mkv", [squares([(60 + k, 90, 60)]) for k in range(200)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    source, tables = read([path])
    rows = pl.concat(tables)
    assert rows["error"][-1] in ("truncated", "damaged")
    assert rows.filter(pl.col("error") == "").height >= 8
    assert [problem.code for problem in source.problems] == [rows["error"][-1]]


def test_nothing_to_read(tmp_path):
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(InputError) as caught:
        read_films([tmp_path], finder=SquareFinder(), digest="")
    assert caught.value.code == "nothing_readable"


def test_length_is_bounded(tmp_path):
    taken, findings = decoded(write_film(tmp_path / "long.mp4", still(4)), hours=2 / 3600)
    assert findings.code == "too_long"
    assert taken[-1].second <= 2


def test_what_is_found_without_pictures_is_typed():
    assert FilmFindings().code == ""
