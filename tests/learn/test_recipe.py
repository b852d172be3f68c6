from pathlib import Path

import pytest

from affectome.errors import InputError
from affectome.learn import SourcePlan, load_recipe, recipe_task
from affectome.learn.action_units_recipe import load_action_units_recipe
from affectome.learn.corpora import CORPORA
from affectome.learn.face_recipe import load_face_recipe
from affectome.learn.quick_recipe import load_quick_recipe
from affectome.learn.recipe import load_teachers
from affectome.learn.voice_corpora import known_corpora
from affectome.learn.voice_recipe import load_voice_recipe
from affectome.models import default_model

SHIPPED = Path(__file__).parents[2] / "recipes"


def test_a_recipe_is_read_as_written(recipes):
    recipe = load_recipe(recipes / "first.toml")
    assert (recipe.id, recipe.seed, recipe.learning_rate, recipe.teachers) == ("toy-first", 1, 4e-3, ())
    assert recipe.sources[0] == SourcePlan("goemotions", passes=14, batch=16, weight=1)
    assert recipe.card.limits == ("It knows a few hundred words.",)


def test_the_teachers_are_read_beside_the_recipe(recipes):
    path = recipes / "second.toml"
    recipe = load_recipe(path)
    assert (recipe.teachers, recipe.teacher_share) == (("first.toml",), 0.5)
    assert load_teachers(path, recipe) == [(recipes / "first.toml", load_recipe(recipes / "first.toml"))]
    assert load_teachers(recipes / "first.toml", load_recipe(recipes / "first.toml")) == []


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.name)
def test_the_shipped_recipes_are_valid(path):
    if recipe_task(path) == "voice-affect":
        assert {source.corpus for source in load_voice_recipe(path).sources} <= set(known_corpora())
        return
    loaders = {
        "face-affect": load_face_recipe,
        "action-units": load_action_units_recipe,
        "text-affect-fast": load_quick_recipe,
    }
    if load := loaders.get(recipe_task(path)):
        assert load(path).id == default_model(recipe_task(path)).card.id
        return
    recipe = load_recipe(path)
    for _, each in [*load_teachers(path, recipe), (path, recipe)]:
        assert {source.corpus for source in each.sources} <= set(CORPORA)


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
        ("teacher_share = 0.0", "teacher_share = 0.5", "teachers and teacher_share need each other"),
        ("teachers = []", 'teachers = ["second.toml"]', "teachers and teacher_share need each other"),
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


def teachers_of(path):
    return load_teachers(path, load_recipe(path))


def test_a_teacher_has_no_teachers(change_recipe):
    path = change_recipe("third.toml", ("first.toml", "second.toml"), of="second.toml")
    with pytest.raises(InputError, match=r"second\.toml does not fit: a teacher cannot have teachers"):
        teachers_of(path)


def test_teachers_share_base_and_labels(change_recipe):
    path = change_recipe("other.toml", ('base = "minilm"', 'base = "smollm2"'), of="second.toml")
    with pytest.raises(InputError, match=r"must be those of other\.toml"):
        teachers_of(path)


def test_a_missing_teacher_is_named(change_recipe):
    path = change_recipe("orphan.toml", ("first.toml", "nowhere.toml"), of="second.toml")
    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read"):
        teachers_of(path)
