"""Pictures that are seen again, and the folders they are grouped by."""

from __future__ import annotations

import pytest

image = pytest.importorskip("PIL.Image")

from affectome.media import Viewer, read_pictures
from affectome.media.pictures import folder_groups


@pytest.fixture
def album(tmp_path):
    """Four pictures in two folders, of which one is no picture."""
    for name, colour in (("a/1.png", "red"), ("a/2.png", "blue"), ("b/3.png", "green")):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.new("RGB", (1200, 600), colour).save(path)
    (tmp_path / "album" / "b" / "4.png").write_bytes(b"no picture")
    return tmp_path / "album"


def test_a_viewer_gives_what_is_there(album):
    files = {path.name: path for path in album.rglob("*.png")} | {"gone.png": album / "gone.png"}
    with Viewer(files) as viewer:
        seen = viewer("1.png")
        assert seen.pixels.shape == (256, 512, 3)
        assert (seen.width, seen.height) == (1200, 600)
        assert seen.pixels[0, 0].tolist() == [255, 0, 0]
        assert viewer("4.png") is None
        assert viewer("gone.png") is None
        assert viewer("other.png") is None
        assert viewer("3.png").pixels[0, 0].tolist() == [0, 128, 0]


@pytest.mark.parametrize(
    ("sources", "groups"),
    [
        (["a/1.jpg", "b/2.jpg"], ["a", "b"]),
        (["day/a/1.jpg", "day/b/x/2.jpg", "day/b/y/3.jpg"], ["a", "b", "b"]),
        (["/x/y/a/1.jpg", "/x/y/b/1.jpg"], ["a", "b"]),
        (["1.jpg", "a/2.jpg", "b/3.jpg"], [None, "a", "b"]),
        (["1.jpg", "a/2.jpg"], [None, None]),
        (["a/1.jpg", "a/2.jpg"], [None, None]),
        (["1.jpg"], [None]),
        ([], []),
    ],
)
def test_groups_are_the_first_folders_that_differ(sources, groups):
    found = folder_groups(sources)
    assert [found.get(source) for source in sources] == groups


def test_every_row_of_a_picture_carries_its_group(album):
    source = read_pictures([album], detector=None)
    for table in source.shards():
        assert len(table) == 4
        folders = table["source"].str.split("/").list.first()
        assert table["meta"].struct.field("group").to_list() == folders.to_list()
    single = read_pictures([album / "a"], detector=None)
    assert single.groups == {}
    assert all(table["meta"].struct.field("group").null_count() == 2 for table in single.shards())
