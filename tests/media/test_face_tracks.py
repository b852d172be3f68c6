"""Faces keep their number while they are in sight, and everybody is new after a cut."""

import numpy as np
import pytest

pytest.importorskip("PIL", reason="needs the face extra")

from film_made import SquareFinder, squares

from affectome.media import FaceTracker, TrackRules


def follow(scenes, *, step=0.25, rules=None, **marks):
    """Tracks in each of some pictures, given as places of squares."""
    finder = SquareFinder()
    tracker = FaceTracker(finder, rules)
    found = []
    for number, places in enumerate(scenes):
        told = {name: number in numbers for name, numbers in marks.items()}
        found.append(tracker.follow(squares(places), number * step, **told))
    return found, finder


def numbers(found):
    return [[each.track for each in faces] for faces in found]


def test_two_who_move_keep_their_numbers():
    scenes = [[(60 + 6 * k, 80, 40), (240 - 5 * k, 90, 50)] for k in range(12)]
    found, _ = follow(scenes)
    assert numbers(found) == [[1, 2]] * 12
    assert all(faces[0].face.x == pytest.approx(60 + 6 * k, abs=1.5) for k, faces in enumerate(found))


def test_the_whole_picture_is_looked_at_once_a_second():
    found, finder = follow([[(160, 90, 40)]] * 17)
    assert numbers(found) == [[1]] * 17
    assert (finder.wholes, finder.parts) == (5, 12)


def test_who_comes_in_is_found_within_a_second():
    scenes = [[(60, 90, 40)]] * 5 + [[(60, 90, 40), (250, 90, 40)]] * 8
    found, _ = follow(scenes)
    assert numbers(found)[:5] == [[1]] * 5
    assert numbers(found)[8:] == [[1, 2]] * 5


def test_who_hides_for_a_moment_stays_and_who_is_gone_longer_is_new():
    short = [[(100, 90, 40)]] * 4 + [[]] * 3 + [[(104, 90, 40)]] * 4
    assert numbers(follow(short)[0]) == [[1]] * 4 + [[]] * 3 + [[1]] * 4
    long = [[(100, 90, 40)]] * 4 + [[]] * 8 + [[(104, 90, 40)]] * 4
    assert {n for faces in numbers(follow(long)[0])[-3:] for n in faces} == {2}


def test_after_a_cut_everybody_is_new():
    assert numbers(follow([[(100, 90, 40)]] * 6, cut={3})[0]) == [[1]] * 3 + [[2]] * 3


def test_nothing_is_looked_for_where_nothing_is():
    found, finder = follow([[]] * 4, blank={0, 1, 2, 3})
    assert numbers(found) == [[]] * 4
    assert finder.wholes == finder.parts == 0


def test_a_face_of_another_size_is_somebody_else():
    found, _ = follow([[(100, 90, 24)]] * 2 + [[(100, 90, 90)]] * 2)
    assert numbers(found) == [[1], [1], [2], [2]]


def test_two_who_cross_are_two_all_the_time():
    scenes = [[(60 + 12 * k, 50, 40), (260 - 12 * k, 130, 40)] for k in range(16)]
    found = numbers(follow(scenes)[0])
    assert all(sorted(each) == [1, 2] for each in found)


def test_times_that_go_back_begin_anew():
    finder = SquareFinder()
    tracker = FaceTracker(finder, TrackRules(whole_seconds=10.0))
    picture = squares([(100, 90, 40)])
    assert [tracker.follow(picture, t)[0].track for t in (5.0, 5.2, 1.0)] == [1, 1, 2]


def test_a_crowd_is_bounded():
    places = [(12 + 20 * (k % 15), 15 + 20 * (k // 15), 10) for k in range(45)]
    found, _ = follow([places])
    assert len(found[0]) == 32
    assert len({each.track for each in found[0]}) == 32
    assert np.isfinite([each.face.x for each in found[0]]).all()
