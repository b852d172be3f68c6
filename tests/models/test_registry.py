import sys
from pathlib import Path

import pytest

from affectome.errors import ModelError
from affectome.models import Bundle, default_model, find_model, list_models, model_folder, registry, shipped_bundles


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    """An empty folder in place of the shipped bundles, and no other providers installed."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(registry, "_BUNDLES", folder)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    return folder


@pytest.fixture
def defaults(tmp_path, monkeypatch):
    path = tmp_path / "defaults.toml"
    path.write_text('text-affect = ["best-en", "tiny-en"]\n')
    monkeypatch.setattr(registry, "_DEFAULTS", path)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package with one entry point as pip would leave it on the path."""
    monkeypatch.undo()
    monkeypatch.setattr(registry, "_BUNDLES", tmp_path / "shipped")
    monkeypatch.setattr(registry, "ENTRY_POINT_GROUP", "affectome.models.test")

    def install(package, code, function="bundles"):
        site = tmp_path / f"site-{package}"
        info = site / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{package}.py").write_text(code)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[affectome.models.test]\nany = {package}:{function}\n")
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, package, raising=False)

    return install


def offering(*folders):
    return f"def bundles():\n    return {[str(folder) for folder in folders]!r}\n"


def fails(code, call, *arguments, **options):
    with pytest.raises(ModelError) as caught:
        call(*arguments, **options)
    assert caught.value.code == code
    return caught.value


def names(models):
    return [model.card.versioned_id for model in models]


def test_an_empty_installation(shipped):
    assert shipped_bundles() == []
    assert list_models() == ((), ())
    assert fails("unknown_model", find_model, "tiny-en").allowed == ()


def test_listing_and_finding_shipped_models(shipped, make_bundle):
    make_bundle(shipped / "tiny")
    make_bundle(shipped / "tiny-new", version="0.10.0")
    make_bundle(shipped / "tiny-mid", version="0.9.9")
    make_bundle(shipped / "other", id="a-voice", task="voice-affect")
    (shipped / "README").mkdir()
    models, problems = list_models()
    assert names(models) == ["a-voice@0.1.0", "tiny-en@0.10.0", "tiny-en@0.9.9", "tiny-en@0.1.0"]
    assert {model.provider for model in models} == {"affectome"}
    assert problems == ()
    assert names(list_models("voice-affect").models) == ["a-voice@0.1.0"]
    assert find_model("tiny-en").path == shipped / "tiny-new"
    assert find_model("tiny-en@0.9.9", task="text-affect").card.version == "0.9.9"
    assert "a-voice" in fails("wrong_task", find_model, "tiny-en", task="voice-affect").allowed


def test_unknown_ids_name_the_closest(shipped, make_bundle):
    make_bundle(shipped / "tiny")
    make_bundle(shipped / "voice", id="voice-world")
    assert fails("unknown_model", find_model, "tiny-enn").allowed[0] == "tiny-en"
    assert set(fails("unknown_model", find_model, "zzz").allowed) >= {"tiny-en", "voice-world"}
    fails("unknown_model", find_model, "tiny-en@7.0.0")


def test_finding_by_path(make_bundle, tmp_path, monkeypatch):
    folder = make_bundle()
    assert find_model(folder).path == folder
    assert find_model(str(folder)).path == folder
    monkeypatch.chdir(tmp_path)
    assert find_model("bundle").card.id == "tiny-en"
    assert find_model(Path("bundle")).card.id == "tiny-en"
    assert find_model("./bundle/").card.id == "tiny-en"
    fails("bundle_missing", find_model, tmp_path / "none")
    fails("wrong_task", find_model, folder, task="voice-affect")


def test_a_folder_cannot_shadow_an_id(shipped, make_bundle, tmp_path, monkeypatch):
    make_bundle(shipped / "tiny")
    make_bundle(tmp_path / "here" / "tiny-en", title="An impostor")
    monkeypatch.chdir(tmp_path / "here")
    assert find_model("tiny-en").path == shipped / "tiny"
    assert find_model("./tiny-en").card.title == "An impostor"


def test_a_folder_is_named_without_being_checked(shipped, make_bundle):
    folder = make_bundle(shipped / "tiny")
    (folder / "model.onnx").write_bytes(b"broken")
    assert model_folder("tiny-en") == folder
    fails("size_mismatch", find_model, "tiny-en")


def test_commercial_use(shipped, make_bundle):
    make_bundle(shipped / "tiny", commercial=False, commercial_note="Research data.")
    assert isinstance(find_model("tiny-en"), Bundle)
    fails("not_commercial", find_model, "tiny-en", commercial=True)


@pytest.mark.usefixtures("defaults")
class TestDefault:
    def test_the_first_preference_that_is_there(self, shipped, make_bundle):
        assert fails("no_default_model", default_model, "text-affect").allowed == ()
        make_bundle(shipped / "tiny")
        assert default_model("text-affect").card.id == "tiny-en"
        make_bundle(shipped / "best", id="best-en")
        assert default_model("text-affect").card.id == "best-en"

    def test_commercial_use_passes_over_others(self, shipped, make_bundle):
        make_bundle(shipped / "best", id="best-en", commercial=False, commercial_note="Research data.")
        assert fails("not_commercial", default_model, "text-affect", commercial=True).value == "best-en@0.1.0"
        make_bundle(shipped / "tiny")
        assert default_model("text-affect", commercial=True).card.id == "tiny-en"
        assert default_model("text-affect").card.id == "best-en"

    def test_what_no_default_names_is_offered_but_not_chosen(self, shipped, make_bundle):
        make_bundle(shipped / "voice", id="voice-world", task="voice-affect")
        assert "voice-world" in fails("no_default_model", default_model, "voice-affect").allowed


def test_the_shipped_table_of_defaults_is_sound():
    from affectome.models.tables import parse_toml

    table = parse_toml(registry._DEFAULTS.read_bytes())
    assert all(isinstance(name, str) for preferred in table.values() for name in preferred)
    assert "text-affect" in table


class TestProviders:
    def test_a_package_offers_bundles(self, install, make_bundle, tmp_path):
        install("aff_more", offering(make_bundle(tmp_path / "theirs", id="theirs")))
        models, problems = list_models()
        assert [(model.card.id, model.provider) for model in models] == [("theirs", "aff_more")]
        assert problems == ()
        assert find_model("theirs").path == tmp_path / "theirs"

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("raise RuntimeError('boom')", "RuntimeError: boom"),
            ("import no_such_module_at_all", "ModuleNotFoundError"),
            ("bundles = 3", "TypeError"),
            ("def bundles(): return [3]", "TypeError"),
            ("def other(): pass", "AttributeError"),
        ],
    )
    def test_a_broken_package_is_reported_and_the_others_go_on(self, install, make_bundle, tmp_path, code, message):
        install("aff_broken", code)
        install("aff_sound", offering(make_bundle(tmp_path / "theirs", id="theirs")))
        models, problems = list_models()
        assert names(models) == ["theirs@0.1.0"]
        assert [(problem.provider, problem.code) for problem in problems] == [("aff_broken", "provider_failed")]
        assert message in problems[0].message

    def test_a_broken_bundle_is_reported(self, install, make_bundle, tmp_path):
        sound = make_bundle(tmp_path / "theirs", id="theirs")
        install("aff_half", offering(tmp_path / "none", sound))
        models, problems = list_models()
        assert names(models) == ["theirs@0.1.0"]
        assert [problem.code for problem in problems] == ["bundle_missing"]

    def test_an_id_belongs_to_the_first_provider(self, install, shipped, make_bundle, tmp_path):
        ours = make_bundle(shipped / "tiny")
        install("aff_impostor", offering(make_bundle(tmp_path / "theirs", version="9.0.0")))
        models, problems = list_models()
        assert names(models) == ["tiny-en@0.1.0"]
        assert [problem.code for problem in problems] == ["duplicate_id"]
        assert find_model("tiny-en").path == ours

    def test_a_repeated_folder_counts_once(self, install, shipped, make_bundle):
        folder = make_bundle(shipped / "tiny")
        install("aff_repeat", offering(folder))
        assert names(list_models().models) == ["tiny-en@0.1.0"]
        assert list_models().problems == ()

    def test_shipped_models_are_found_without_importing_providers(self, install, shipped, make_bundle):
        make_bundle(shipped / "tiny")
        install("aff_slow", "raise SystemExit('imported')")
        assert find_model("tiny-en").card.id == "tiny-en"
