import pytest

pytest.importorskip("torch", reason="needs the train extra")

from affectome.language import inside

pytestmark = pytest.mark.train


def test_public_names_are_sorted_and_documented():
    assert inside.__all__ == sorted(inside.__all__)
    for name in inside.__all__:
        assert getattr(inside, name).__doc__, name
