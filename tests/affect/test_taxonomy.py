import json
import os
import pickle
from collections import Counter
from pathlib import Path

import pytest

from affectome.affect import Taxonomy, list_taxonomies, load_taxonomy
from affectome.affect.datafiles import file_ids, read_toml
from affectome.errors import UsageError

EVERY = list_taxonomies(kind=None)

SIZES = {
    "big6": 6,
    "crema6": 6,
    "crowdflower13": 13,
    "dailydialog7": 7,
    "ed32": 32,
    "ekman6": 6,
    "ekman7": 7,
    "ema-appraisals": 12,
    "emocontext4": 4,
    "emodb7": 7,
    "emogator30": 30,
    "emonet40": 40,
    "emorynlp7": 7,
    "everyday-categories": 17,
    "fer7": 7,
    "ferplus8": 8,
    "frijda-action-tendencies": 10,
    "frijda-categories": 12,
    "fsre-categories": 24,
    "fsre-dimensions": 4,
    "goemotions28": 28,
    "intensity-dimension": 1,
    "isear7": 7,
    "meld7": 7,
    "mikels8": 8,
    "occ-appraisals": 11,
    "occ-categories": 22,
    "pad-dimensions": 3,
    "plutchik8": 8,
    "ravdess8": 8,
    "scherer-appraisals": 20,
    "semeval11": 11,
    "sentiment3": 3,
    "stockemotions12": 12,
    "tweeteval4": 4,
}

GOEMOTIONS = [
    "admiration",
    "amusement",
    "anger",
    "annoyance",
    "approval",
    "caring",
    "confusion",
    "curiosity",
    "desire",
    "disappointment",
    "disapproval",
    "disgust",
    "embarrassment",
    "excitement",
    "fear",
    "gratitude",
    "grief",
    "joy",
    "love",
    "nervousness",
    "optimism",
    "pride",
    "realization",
    "relief",
    "remorse",
    "sadness",
    "surprise",
    "neutral",
]


def test_every_promised_taxonomy_is_there_with_its_number_of_labels():
    assert {taxonomy_id: len(load_taxonomy(taxonomy_id)) for taxonomy_id in EVERY} == SIZES


def test_lists_are_sorted_and_separate_the_kinds():
    assert list(EVERY) == sorted(EVERY)
    kinds = ("category", "dimension", "appraisal", "action-tendency")
    assert sorted(taxonomy_id for kind in kinds for taxonomy_id in list_taxonomies(kind)) == list(EVERY)
    assert list_taxonomies() == list_taxonomies("category")
    assert list_taxonomies("action-tendency") == ("frijda-action-tendencies",)


@pytest.mark.parametrize("taxonomy_id", EVERY)
def test_every_label_has_a_gloss_of_four_to_twelve_words(taxonomy_id):
    taxonomy = load_taxonomy(taxonomy_id)
    assert set(taxonomy.glosses) == set(taxonomy.labels)
    for label, gloss in taxonomy.glosses.items():
        assert 4 <= len(gloss.split()) <= 12, label
        assert gloss == gloss.strip().rstrip("."), label


@pytest.mark.parametrize("taxonomy_id", EVERY)
def test_glosses_are_unique_within_a_taxonomy(taxonomy_id):
    glosses = load_taxonomy(taxonomy_id).glosses.values()
    assert len(set(glosses)) == len(glosses)


def test_glosses_are_unique_among_the_shared_terms():
    glosses = [term["gloss"] for term in read_toml("terms").values()]
    assert len(set(glosses)) == len(glosses)


@pytest.mark.parametrize("taxonomy_id", EVERY)
def test_every_label_has_a_synonym_and_no_word_means_two_labels(taxonomy_id):
    taxonomy = load_taxonomy(taxonomy_id)
    assert all(taxonomy.synonyms[label] for label in taxonomy.labels)
    words = Counter(word for label in taxonomy.labels for word in (label, *taxonomy.synonyms[label]))
    assert [word for word, times in words.items() if times > 1] == []


@pytest.mark.parametrize("taxonomy_id", EVERY)
def test_labels_and_synonyms_are_lower_case_and_the_source_is_named(taxonomy_id):
    taxonomy = load_taxonomy(taxonomy_id)
    for label in taxonomy.labels:
        for word in (label, *taxonomy.synonyms[label]):
            assert word == word.casefold().strip()
            assert "_" not in word
    assert any(character.isdigit() for character in taxonomy.source), "a source has a year"
    assert taxonomy.title


@pytest.mark.parametrize("taxonomy_id", EVERY)
def test_a_group_scheme_holds_a_label_once(taxonomy_id):
    for scheme in load_taxonomy(taxonomy_id).groups.values():
        members = [label for labels in scheme.values() for label in labels]
        assert len(set(members)) == len(members)


@pytest.mark.parametrize("taxonomy_id", EVERY)
def test_valence_agrees_with_published_sentiment_groups(taxonomy_id):
    taxonomy = load_taxonomy(taxonomy_id)
    assert set(taxonomy.valence.values()) <= {-1, 0, 1}
    signs = {"positive": 1, "negative": -1, "neutral": 0, "ambiguous": None}
    for group, labels in taxonomy.groups.get("sentiment", {}).items():
        for label in labels:
            assert taxonomy.valence.get(label) == signs[group], label


def test_files_use_only_known_fields_and_no_term_is_idle():
    used = set()
    for taxonomy_id in EVERY:
        data = read_toml(f"taxonomies/{taxonomy_id}")
        assert set(data) <= {"title", "exclusive", "kind", "source", "groups", "levels", "compounds", "labels"}
        for label, spec in data["labels"].items():
            assert set(spec) <= {"term", "gloss", "synonyms", "valence", "parent"}
            used.add(spec.get("term", label))
    assert set(read_toml("terms")) <= used
    for term in read_toml("terms").values():
        assert set(term) <= {"valence", "gloss", "synonyms"}


def test_goemotions_has_the_published_order_and_groups():
    taxonomy = load_taxonomy("goemotions28")
    assert list(taxonomy.labels) == GOEMOTIONS
    assert not taxonomy.exclusive
    assert {name: len(labels) for name, labels in taxonomy.groups["sentiment"].items()} == {
        "positive": 12,
        "negative": 11,
        "ambiguous": 4,
        "neutral": 1,
    }
    assert set().union(*taxonomy.groups["ekman"].values()) == set(GOEMOTIONS)
    assert taxonomy.parents == {"annoyance": "anger", "grief": "sadness", "nervousness": "fear"}


def test_emonet_clusters_have_three_to_thirteen_words_and_every_label_is_shown_in_one_group():
    taxonomy = load_taxonomy("emonet40")
    assert {label: len(words) for label, words in taxonomy.synonyms.items() if not 3 <= len(words) <= 13} == {}
    display = taxonomy.groups["display"]
    assert len(display) == 7
    assert sum(map(len, display.values())) == 40


def test_plutchik_levels_and_dyads_form_the_wheel():
    taxonomy = load_taxonomy("plutchik8")
    assert set(taxonomy.levels) == set(taxonomy.labels)
    assert all(len(words) == 3 and words[1] == label for label, words in taxonomy.levels.items())

    wheel = ["joy", "trust", "fear", "surprise", "sadness", "disgust", "anger", "anticipation"]
    for steps, scheme in enumerate(("primary dyads", "secondary dyads", "tertiary dyads"), start=1):
        pairs = {frozenset(parts) for parts in taxonomy.compounds[scheme].values()}
        assert pairs == {frozenset((wheel[i], wheel[(i + steps) % 8])) for i in range(8)}
    assert taxonomy.compounds["primary dyads"]["love"] == ("joy", "trust")


def test_occ_compounds_join_well_being_with_attribution():
    taxonomy = load_taxonomy("occ-categories")
    groups = taxonomy.groups["appraisal"]
    assert sum(map(len, groups.values())) == len(taxonomy)
    for first, second in taxonomy.compounds["well-being and attribution"].values():
        assert first in groups["well-being"]
        assert second in groups["attribution"]


def test_a_word_that_is_a_label_itself_is_nobody_elses_synonym():
    assert "grief" in load_taxonomy("ekman7").synonyms["sadness"]
    assert "grief" not in load_taxonomy("goemotions28").synonyms["sadness"]


def test_the_same_feeling_has_the_same_gloss_under_another_label():
    assert load_taxonomy("ed32").glosses["furious"] == read_toml("terms")["rage"]["gloss"]
    assert load_taxonomy("fer7").glosses["angry"] == load_taxonomy("ekman7").glosses["anger"]


def test_names_split_composed_and_qualified_labels():
    emonet = load_taxonomy("emonet40")
    assert emonet.names("jealousy & envy") == ("jealousy & envy", "jealousy", "envy")
    assert emonet.names("pleasure/ecstasy") == ("pleasure/ecstasy", "pleasure", "ecstasy")
    assert emonet.names("impatience and irritability") == ("impatience and irritability", "impatience", "irritability")
    assert load_taxonomy("emogator30").names("surprise (positive)") == ("surprise (positive)", "surprise")
    assert emonet.names("fear") == ("fear",)


def test_loading_twice_gives_the_same_object_and_it_survives_pickling():
    taxonomy = load_taxonomy("ed32")
    assert load_taxonomy("ed32") is taxonomy
    assert pickle.loads(pickle.dumps(taxonomy)) == taxonomy


def test_index_follows_the_labels():
    taxonomy = load_taxonomy("ekman7")
    assert [taxonomy.index(label) for label in taxonomy.labels] == list(range(7))


@pytest.mark.parametrize(
    ("wrong", "closest"), [("ekman", "ekman6"), ("GoEmotions", "goemotions28"), ("emonet", "emonet40")]
)
def test_unknown_taxonomy_names_the_closest_first(wrong, closest):
    with pytest.raises(UsageError) as caught:
        load_taxonomy(wrong)
    assert caught.value.code == "unknown_taxonomy"
    assert closest in caught.value.allowed[:3]
    assert set(caught.value.allowed) == set(EVERY)


def test_a_path_is_no_taxonomy():
    with pytest.raises(UsageError, match="no taxonomy"):
        load_taxonomy("../terms")


def test_unknown_label_names_the_closest_first():
    with pytest.raises(UsageError) as caught:
        load_taxonomy("ekman7").index("sad")
    assert (caught.value.code, caught.value.allowed[0]) == ("unknown_label", "sadness")


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": ()},
        {"labels": ("a", "b", "a")},
        {"labels": ("a",), "glosses": {"b": "something that is not there"}},
        {"labels": ("a",), "parents": {"a": "b"}},
        {"labels": ("a",), "groups": {"scheme": {"group": ("a", "b")}}},
        {"labels": ("a",), "compounds": {"kind": {"name": ("a", "b")}}},
    ],
)
def test_an_inconsistent_taxonomy_is_refused(fields):
    with pytest.raises(UsageError) as caught:
        Taxonomy(id="custom", title="Own words", exclusive=True, **fields)
    assert caught.value.code == "invalid_taxonomy"


def test_own_words_need_nothing_but_labels():
    taxonomy = Taxonomy(id="custom", title="Own words", labels=("hype", "dread"), exclusive=True)
    assert (len(taxonomy), taxonomy.glosses, taxonomy.names("hype")) == (2, {}, ("hype",))


def test_mapping_files_join_known_taxonomies_of_one_kind():
    for name in file_ids("mappings"):
        source, target = (load_taxonomy(taxonomy_id) for taxonomy_id in name.split("__"))
        assert source.kind == target.kind == "category"


@pytest.mark.data
def test_label_lists_match_the_corpora():
    if "AFFECTOME_DATA" not in os.environ:
        pytest.skip("AFFECTOME_DATA names no folder of labelled data")
    data = Path(os.environ["AFFECTOME_DATA"])
    emotions = (data / "goemotions" / "emotions.txt").read_text().split()
    assert emotions == list(load_taxonomy("goemotions28").labels)

    published = json.loads((data / "goemotions" / "mappings.json").read_text())
    for ours, theirs in (("ekman", "ekman"), ("sentiment", "group")):
        groups = load_taxonomy("goemotions28").groups[ours]
        assert {name: set(labels) for name, labels in groups.items()} == {
            name: set(labels) for name, labels in published[theirs].items()
        }

    names = json.loads((data / "empatheticdialogues" / "label_names.json").read_text())
    assert {frozenset(by_id.values()) for by_id in names.values()} == {frozenset(load_taxonomy("ed32").labels)}

    for corpus, taxonomy_id in (("crowdflower_text_emotion", "crowdflower13"), ("stockemotions", "stockemotions12")):
        counts = json.loads((data / corpus / "SOURCE.json").read_text())["label_counts"]
        assert set(counts) == set(load_taxonomy(taxonomy_id).labels)
    counts = json.loads((data / "emogator" / "SOURCE.json").read_text())["counts"]["emotion"]
    assert {label.casefold() for label in counts} == set(load_taxonomy("emogator30").labels)
