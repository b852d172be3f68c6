import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from affectome.affect import Mapping, Taxonomy, list_taxonomies, load_taxonomy, map_labels
from affectome.affect.datafiles import file_ids, read_toml
from affectome.errors import UsageError

TABLES = file_ids("mappings")
CATEGORIES = list_taxonomies()
TO_EKMAN_BY_TABLE = {name.split("__")[0] for name in TABLES if name.endswith("__ekman7")}


def row(mapping: Mapping, label: str) -> dict[str, float]:
    """Where a label goes: target label to share, zeros left out."""
    shares = mapping.matrix[mapping.source.index(label)]
    return {target: float(share) for target, share in zip(mapping.target.labels, shares, strict=True) if share}


@pytest.fixture
def words() -> Taxonomy:
    """Three labels that share no word with any taxonomy."""
    return Taxonomy(id="custom", title="Own words", labels=("aa", "bb", "cc"), exclusive=True)


# --- tables


@pytest.mark.parametrize("name", TABLES)
def test_a_table_decides_every_label_of_its_source_and_names_its_source(name):
    source, target = (load_taxonomy(taxonomy_id) for taxonomy_id in name.split("__"))
    data = read_toml(f"mappings/{name}")
    assert set(data) == {"source", "labels"}
    assert tuple(data["labels"]) == source.labels
    for goal in data["labels"].values():
        shares = {goal: 1.0} if isinstance(goal, str) else goal
        assert set(shares) <= set(target.labels)
        assert all(0 < share <= 1 for share in shares.values())


@pytest.mark.parametrize("name", TABLES)
def test_no_table_turns_a_pleasant_feeling_wholly_into_an_unpleasant_one(name):
    mapping = map_labels(*name.split("__"), method="table")
    for label, sign in mapping.source.valence.items():
        for target, share in row(mapping, label).items():
            assert sign * mapping.target.valence.get(target, 0) >= 0 or share <= 0.5, (label, target)


@pytest.mark.parametrize("source", CATEGORIES)
@pytest.mark.parametrize("target", ["ekman7", "sentiment3"])
def test_every_taxonomy_reaches_basic_emotions_and_sentiment(source, target):
    mapping = map_labels(source, target)
    assert mapping.method == ("cluster" if target == "ekman7" and source not in TO_EKMAN_BY_TABLE else "table")
    open_labels = {"others", "negative", "positive"}
    if mapping.method == "cluster":
        lost = {label for label, share in zip(mapping.source.labels, mapping.unmapped, strict=True) if share}
        assert lost <= open_labels


def test_goemotions_to_ekman_is_the_published_grouping():
    mapping = map_labels("goemotions28", "ekman7")
    for group, labels in load_taxonomy("goemotions28").groups["ekman"].items():
        for label in labels:
            assert row(mapping, label) == {group: 1.0}


def test_goemotions_to_sentiment_leaves_the_ambiguous_group_unmapped():
    mapping = map_labels("goemotions28", "sentiment3", method="table")
    groups = load_taxonomy("goemotions28").groups["sentiment"]
    for group in ("positive", "negative", "neutral"):
        assert all(row(mapping, label) == {group: 1.0} for label in groups[group])
    assert all(row(mapping, label) == {} for label in groups["ambiguous"])
    assert mapping.unmapped.sum() == len(groups["ambiguous"])


def test_emonet_keeps_what_no_basic_emotion_covers_apart():
    mapping = map_labels("emonet40", "ekman7")
    assert row(mapping, "awe") == {"joy": 0.5, "surprise": 0.5}
    assert row(mapping, "sexual lust") == {}
    assert mapping.unmapped[mapping.source.index("doubt")] == 0.5


def test_29_of_30_vocal_bursts_have_a_counterpart_among_the_forty():
    mapping = map_labels("emogator30", "emonet40")
    assert [label for label, share in zip(mapping.source.labels, mapping.unmapped, strict=True) if share] == ["neutral"]


def test_a_missing_table_lists_where_tables_lead():
    with pytest.raises(UsageError) as caught:
        map_labels("emonet40", "ed32", method="table")
    assert caught.value.code == "no_mapping_table"
    assert caught.value.allowed == ("ekman7", "emodb7", "emogator30", "ravdess8")


# --- clusters


@pytest.mark.parametrize("taxonomy_id", list_taxonomies(kind=None))
def test_a_taxonomy_maps_to_itself_label_by_label(taxonomy_id):
    mapping = map_labels(taxonomy_id, taxonomy_id, method="cluster")
    shared_part = {"surprise (negative)", "surprise (positive)"}
    for label in mapping.source.labels:
        if label not in shared_part:
            assert row(mapping, label) == {label: 1.0}


@pytest.mark.parametrize(
    ("source", "target", "label", "goal"),
    [
        ("fer7", "ekman7", "happy", {"joy": 1.0}),
        ("emorynlp7", "meld7", "mad", {"anger": 1.0}),
        ("ed32", "goemotions28", "impressed", {"admiration": 1.0}),
        ("goemotions28", "emonet40", "gratitude", {"thankfulness/gratitude": 1.0}),
        ("goemotions28", "emogator30", "surprise", {"surprise (negative)": 0.5, "surprise (positive)": 0.5}),
        ("emogator30", "goemotions28", "surprise (positive)", {"surprise": 1.0}),
        ("goemotions28", "ekman6", "neutral", {}),
    ],
)
def test_labels_meet_by_name_and_otherwise_by_synonym(source, target, label, goal):
    assert row(map_labels(source, target, method="cluster"), label) == goal


def test_shared_synonyms_weigh_by_their_number():
    source = Taxonomy(id="s", title="", labels=("x",), exclusive=True, synonyms={"x": ("one", "two", "three")})
    target = Taxonomy(
        id="t", title="", labels=("y", "z"), exclusive=True, synonyms={"y": ("one", "two"), "z": ("three",)}
    )
    assert map_labels(source, target).matrix == pytest.approx(np.array([[2 / 3, 1 / 3]]))


def test_auto_says_what_is_missing(words):
    with pytest.raises(UsageError) as caught:
        map_labels(words, "ekman7")
    assert caught.value.code == "no_mapping"
    assert "positions" in caught.value.next_step
    assert not map_labels(words, "ekman7", method="cluster").matrix.any()


def test_kinds_do_not_mix():
    with pytest.raises(UsageError) as caught:
        map_labels("ekman7", "occ-appraisals")
    assert caught.value.code == "kind_mismatch"


# --- positions

TARGET = Taxonomy(id="t", title="", labels=("east", "north"), exclusive=True)
POSITIONS = {"aa": (1.0, 0.1), "bb": (1.0, 1.0), "cc": (-3.0, -3.0), "east": (1.0, 0.0), "north": (0.0, 1.0)}


def test_nearest_position_takes_all_and_ties_share(words):
    mapping = map_labels(words, TARGET, method="vad", positions=POSITIONS)
    assert row(mapping, "aa") == {"east": 1.0}
    assert row(mapping, "bb") == {"east": 0.5, "north": 0.5}


def test_out_of_reach_is_unmapped(words):
    mapping = map_labels(words, TARGET, method="vad", positions=POSITIONS, reject=1.5)
    assert list(mapping.unmapped) == [0.0, 0.0, 1.0]
    cosine = map_labels(words, TARGET, method="embedding", positions=POSITIONS, reject=0.1)
    assert list(cosine.unmapped) == [0.0, 1.0, 1.0]


def test_embedding_ignores_length(words):
    stretched = {label: 7 * np.array(vector) for label, vector in POSITIONS.items()}
    first, second = (
        map_labels(words, TARGET, method="embedding", positions=p, temperature=0.3) for p in (POSITIONS, stretched)
    )
    assert first.matrix == pytest.approx(second.matrix)


def test_softmax_follows_its_formula(words):
    mapping = map_labels(words, TARGET, method="vad", positions=POSITIONS, temperature=0.5)
    distance = np.array([0.1, np.hypot(1.0, 0.9)])
    expected = np.exp(-distance / 0.5)
    assert mapping.matrix[0] == pytest.approx(expected / expected.sum())


@given(arrays(float, (5, 3), elements=st.floats(-2, 2)), st.floats(0.05, 3), st.sampled_from([0.0, 0.1, 1.0]))
def test_positions_give_whole_rows_or_none(points, reject, temperature):
    source = Taxonomy(id="s", title="", labels=("a", "b", "c"), exclusive=True)
    target = Taxonomy(id="t", title="", labels=("d", "e"), exclusive=True)
    positions = dict(zip("abcde", points, strict=True))
    mapping = map_labels(source, target, method="vad", positions=positions, reject=reject, temperature=temperature)
    for point, shares, lost in zip(points, mapping.matrix, mapping.unmapped, strict=False):
        distance = np.linalg.norm(points[3:] - point, axis=1)
        assert not shares[distance > reject].any()
        assert lost == pytest.approx(float((distance > reject).all()))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"method": "vad"}, "missing_positions"),
        ({"method": "vad", "positions": {"aa": (0, 0)}}, "missing_positions"),
        ({"method": "vad", "positions": POSITIONS | {"aa": (0, 0, 0)}}, "invalid_positions"),
        ({"method": "embedding", "positions": POSITIONS | {"aa": (np.nan, 0)}}, "invalid_positions"),
        ({"method": "embedding", "positions": POSITIONS | {"aa": (0, 0)}}, "invalid_positions"),
        ({"method": "vad", "positions": POSITIONS, "temperature": -1.0}, "invalid_temperature"),
        ({"method": "cluster", "positions": POSITIONS}, "unused_argument"),
        ({"reject": 0.5}, "unused_argument"),
        ({"method": "magic"}, "unknown_method"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(words, arguments, code):
    with pytest.raises(UsageError) as caught:
        map_labels(words, TARGET, **arguments)
    assert caught.value.code == code


# --- applying


def exclusive_rows(n: int):
    raw = arrays(float, (4, n), elements=st.floats(0, 1))
    return raw.map(lambda a: (a + 1e-6) / (a + 1e-6).sum(axis=1, keepdims=True))


@given(data=st.data(), name=st.sampled_from([(s, t) for s in CATEGORIES for t in ("ekman7", "sentiment3")]))
def test_exclusive_labels_conserve_mass(data, name):
    mapping = map_labels(*name)
    if not mapping.source.exclusive:
        return
    p = data.draw(exclusive_rows(len(mapping.source)))
    mapped, unmapped = mapping.apply(p)
    assert mapped.shape == (4, len(mapping.target))
    assert unmapped.shape == (4,)
    assert mapped.sum(axis=1) + unmapped == pytest.approx(np.ones(4))
    assert (mapped >= 0).all()


@given(arrays(float, (3, 28), elements=st.floats(0, 1)))
def test_presence_lies_between_the_largest_source_and_the_capped_sum(p):
    mapping = map_labels("goemotions28", "ekman7")
    mapped, unmapped = mapping.apply(p)
    assert not unmapped.any()
    for column, shares in zip(mapped.T, mapping.matrix.T, strict=True):
        feeding = p[:, shares > 0]
        assert (column >= feeding.max(axis=1) - 1e-12).all()
        assert (column <= np.minimum(feeding.sum(axis=1), 1) + 1e-12).all()


@given(arrays(float, (2, 40), elements=st.floats(0, 1)), st.integers(0, 39), st.floats(0, 1))
def test_presence_never_falls_when_a_source_rises(p, label, rise):
    mapping = map_labels("emonet40", "ekman7")
    higher = p.copy()
    higher[:, label] = np.minimum(higher[:, label] + rise, 1)
    for before, after in zip(mapping.apply(p), mapping.apply(higher), strict=True):
        assert (after >= before - 1e-12).all()


def test_noisy_or_of_two_signs_of_fear():
    mapping = map_labels("goemotions28", "ekman7")
    p = np.zeros(28)
    p[[mapping.source.index("fear"), mapping.source.index("nervousness")]] = 0.5, 0.4
    mapped, unmapped = mapping.apply(p)
    assert mapped[mapping.target.index("fear")] == pytest.approx(0.7)
    assert mapped.sum() == pytest.approx(0.7)
    assert unmapped == 0


def test_unmapped_presence_is_returned():
    mapping = map_labels("goemotions28", "sentiment3")
    p = np.zeros(28)
    p[[mapping.source.index("confusion"), mapping.source.index("curiosity")]] = 0.5
    mapped, unmapped = mapping.apply(p)
    assert not mapped.any()
    assert unmapped == pytest.approx(0.75)


def test_a_mapped_result_can_be_mapped_on():
    first = map_labels("crowdflower13", "ekman7")
    second = map_labels("ekman7", "sentiment3")
    p = np.full(13, 1 / 13)
    mapped, lost = first.apply(p)
    again, lost_again = second.apply(mapped)
    assert lost == pytest.approx(1 / 13)
    assert again.sum() + lost_again + lost == pytest.approx(1.0)


def test_float32_probabilities_are_accepted():
    mapping = map_labels("ed32", "ekman7")
    p = np.random.default_rng(0).dirichlet(np.ones(32), size=100).astype(np.float32)
    mapped, unmapped = mapping.apply(p)
    assert mapped.sum(axis=1) + unmapped == pytest.approx(np.ones(100), abs=1e-5)


@pytest.mark.parametrize(
    "p", [np.full(6, 1 / 6), np.float64(1.0), [1.5, 0, 0, 0, 0, 0, 0], [np.nan, 0, 0, 0, 0, 0, 0], np.full(7, 0.5)]
)
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(UsageError) as caught:
        map_labels("ekman7", "sentiment3").apply(p)
    assert caught.value.code == "invalid_probabilities"


@pytest.mark.parametrize("matrix", [np.ones((3, 3)), -np.ones((3, 2)), np.ones((3, 2))])
def test_a_matrix_that_is_no_mapping_is_refused(words, matrix):
    with pytest.raises(UsageError) as caught:
        Mapping(words, TARGET, matrix, "table")
    assert caught.value.code == "invalid_mapping"


def test_the_matrix_cannot_be_changed(words):
    given_matrix = np.full((3, 2), 0.5)
    mapping = Mapping(words, TARGET, given_matrix, "table")
    given_matrix[:] = 0
    assert mapping.matrix.sum() == 3
    with pytest.raises(ValueError, match="read-only"):
        mapping.matrix[0, 0] = 1
