"""The public names of the room."""

import affectome.dynamics as room


def test_names_are_sorted_and_documented():
    assert room.__all__ == sorted(room.__all__)
    for name in room.__all__:
        assert getattr(room, name).__doc__, name
