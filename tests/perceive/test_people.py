"""Who moves the mouth while a voice is heard is the one who speaks."""

import numpy as np
import polars as pl
import pytest

from affectome.perceive import tell_people

STEP = 0.25


def faces(*tracks):
    """Rows of tracks, each a name, the seconds in which it is seen and those in which its mouth moves."""
    rows = []
    for name, seen, speaks in tracks:
        rng = np.random.default_rng(len(rows))
        for start in np.arange(*seen, STEP):
            moves = any(a <= start < b for a, b in speaks)
            mouth = 0.05 + (rng.uniform(0, 0.4) if moves else rng.normal(0, 0.015))
            rows.append({"track": name, "start": start, "end": start + STEP, "mouth": mouth})
    schema = {"track": pl.String, "start": pl.Float64, "end": pl.Float64, "mouth": pl.Float32, "loudness": pl.Float32}
    return pl.DataFrame(rows, schema=schema).sort("start", maintain_order=True)


def stretches(*spans):
    rows = [(a, b, name[0] if name else None) for a, b, *name in spans]
    return pl.DataFrame(rows, schema={"start": pl.Float64, "end": pl.Float64, "speaker": pl.String}, orient="row")


def test_each_stretch_goes_to_the_mouth_that_moves():
    seen = faces(("F1", (0, 12), [(0, 4), (8, 12)]), ("F2", (0, 12), [(4, 8)]))
    people = tell_people(seen, stretches((0, 4), (4, 8), (8, 12)))
    assert people.of_stretch == ("P1", "P2", "P1")
    assert min(people.links) > 0.95
    assert [person.tracks for person in people.persons] == [("F1",), ("F2",)]
    assert people.persons[0].link == min(people.links[0], people.links[2])


def test_a_voice_over_still_faces_is_somebody_nobody_sees():
    people = tell_people(faces(("F1", (0, 10), [])), stretches((2, 8)))
    assert people.of_stretch == ("P2",)
    assert people.persons[1].tracks == ()
    assert people.persons[0].link is None


def test_speakers_that_were_told_apart_keep_together_over_cuts():
    seen = faces(
        ("F1", (0, 5), [(0, 5)]), ("F2", (5, 10), [(5, 10)]), ("F3", (10, 15), [(10, 15)]), ("F4", (15, 20), [(15, 20)])
    )
    people = tell_people(seen, stretches((0, 5, "S1"), (5, 10, "S2"), (10, 15, "S1"), (15, 20, "S2")))
    assert [(person.tracks, person.speakers) for person in people.persons] == [
        (("F1", "F3"), ("S1",)),
        (("F2", "F4"), ("S2",)),
    ]
    assert people.of_stretch == ("P1", "P2", "P1", "P2")


def test_two_who_are_seen_at_once_are_never_one():
    seen = faces(("F1", (0, 10), [(0, 10)]), ("F2", (0, 10), [(0, 10)]))
    people = tell_people(seen, stretches((0, 10, "S1")))
    assert len(people.persons) == 2
    assert sum(bool(person.speakers) for person in people.persons) == 1


def test_faces_without_speech_and_speech_without_faces():
    alone = tell_people(faces(("F1", (0, 3), []), ("F2", (1, 3), [])), stretches())
    assert dict(alone.of_track) == {"F1": "P1", "F2": "P2"}
    heard = tell_people(faces(), stretches((0, 2), (3, 4)))
    assert heard.of_stretch == ("P1", "P1")
    assert heard.links == (1.0, 1.0)
    named = tell_people(faces(), stretches((0, 2, "S1"), (3, 4, "S2")))
    assert named.of_stretch == ("P1", "P2")
    assert tell_people(faces(), stretches()).persons == ()


def test_what_is_not_known_is_no_evidence():
    seen = faces(("F1", (0, 6), [(0, 6)])).with_columns(mouth=pl.lit(None, pl.Float32))
    people = tell_people(seen, stretches((1, 5)))
    assert people.of_stretch == ("P2",)
    assert people.links[0] == pytest.approx(1.0)


def test_a_mouth_that_follows_the_voice_is_told_from_one_that_laughs():
    times = np.arange(0, 6, STEP)
    rng = np.random.default_rng(0)
    loudness = rng.uniform(-45, -15, len(times))
    opening = (loudness + 45) / 100
    mouths = {"F1": rng.permutation(opening), "F2": opening}  # both move alike, one of them with the voice
    rows = [
        {"track": name, "start": t, "end": t + STEP, "mouth": m, "loudness": loud}
        for name, mouth in mouths.items()
        for t, m, loud in zip(times, mouth, loudness, strict=True)
    ]
    seen = faces().vstack(pl.DataFrame(rows, schema=faces().schema)).sort("start", maintain_order=True)
    assert tell_people(seen, stretches((0, 6))).of_stretch == ("P2",)
    assert tell_people(seen, stretches((0, 6))).links[0] > 0.7
