from pathlib import Path

import pytest

from affectome.errors import InputError
from affectome.learn import SourcePlan, load_recipe
from affectome.learn.corpora import CORPORA
from affectome.learn.recipe import load_stages

SHIPPED = Path(__file__).parents[2] / "recipes"


def test_a_recipe_is_read_as_written(recipes):
    recipe = load_recipe(recipes / "first.toml")
    assert (recipe.id, recipe.seed, recipe.learning_rate, recipe.start) == ("toy-first", 1, 4e-3, "")
    assert recipe.sources[0] == SourcePlan("goemotions", passes=14, batch=16, weight=1)
    assert recipe.card.limits == ("It knows a few hundred words.",)


def test_the_stages_come_in_the_order_of_training(recipes):
    stages = load_stages(recipes / "second.toml")
    assert [path.name for path, _ in stages] == ["first.toml", "second.toml"]
    assert [recipe.id for _, recipe in stages] == ["toy-first", "toy-second"]


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.name)
def test_the_shipped_recipes_are_valid(path):
    for _, recipe in load_stages(path):
        assert {source.corpus for source in recipe.sources} <= set(CORPORA)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("seed = 1\n", "", "seed: this key is missing"),
        ("seed = 1\n", "seed = 1\nsed = 2\n", "sed: this key is not known"),
        ("seed = 1\n", 'seed = "one"\n', "seed: a value of type int is needed"),
        ("seed = 1\n", "seed = -1\n", "seed is -1 and must be between 0 and"),
        ("warmup = 0.1", "warmup = 0", "warmup is 0 and must be between"),
        ("warmup = 0.1", "warmup = nan", "warmup is nan and must be between"),
        ("limits = [", "limit = [", "card.limit: this key is not known"),
        ('limits = ["It knows a few hundred words."]\n', "", "card.limits: this key is missing"),
        ("passes = 14", "passes = 0", "sources[0].passes is 0 and must be between"),
        ("batch = 16", "batch = 1", "sources[0].batch is 1 and must be between"),
        ("batch = 16", 'batch = "all"', "sources[0].batch: a value of type int is needed"),
        ("batch = 16", "batch = 16\nweight = 0", "sources[0].weight is 0 and must be between"),
        (
            'labels_from = "goemotions"',
            'labels_from = "meld"',
            "labels_from is 'meld', which is not one of its sources",
        ),
        ("teacher_share = 0.0", "teacher_share = 0.5", "teacher_share needs a recipe to start from"),
        ("seed = 1", "seed = ", "not readable as TOML"),
    ],
)
def test_what_does_not_fit_is_named(change_recipe, old, new, reason):
    with pytest.raises(InputError) as caught:
        load_recipe(change_recipe("changed.toml", (old, new)))
    assert caught.value.code == "bad_recipe"
    assert reason in caught.value.message


def test_a_missing_recipe_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "text.toml"):
        with pytest.raises(InputError, match="cannot be read") as caught:
            load_recipe(path)
        assert caught.value.code == "bad_recipe"


def test_recipes_may_not_start_from_each_other(change_recipe):
    change_recipe("hen.toml", ('start = ""', 'start = "egg.toml"'))
    path = change_recipe("egg.toml", ('start = ""', 'start = "hen.toml"'))
    with pytest.raises(InputError, match=r"starts from hen\.toml|starts from egg\.toml"):
        load_stages(path)


def test_stages_share_base_and_labels(change_recipe):
    path = change_recipe("other.toml", ('base = "minilm"', 'base = "smollm2"'), of="second.toml")
    with pytest.raises(InputError, match=r"must be those of first\.toml"):
        load_stages(path)


def test_a_missing_first_stage_is_named(change_recipe):
    path = change_recipe("orphan.toml", ("first.toml", "nowhere.toml"), of="second.toml")
    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read"):
        load_stages(path)
