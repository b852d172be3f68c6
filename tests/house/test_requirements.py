"""The locked requirements fit pyproject.toml, are hashed, and keep the core light."""

import re

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from affectome.models import base_models

LOCKS = (
    "accelerate",
    "build",
    "core",
    "dev",
    "face",
    "inspect",
    "language",
    "mesh",
    "serve",
    "silero",
    "speaker",
    "train",
    "transcribe",
    "voice",
)
APART = ("accelerate", "torch")  # of the train extra
WEIGHTS = {"mesh": "face-mesh", "silero": "silero-vad", "speaker": "speaker-encoder"}
PLATFORMS = [
    {
        "python_version": version,
        "python_full_version": f"{version}.0",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for version in ("3.11", "3.12", "3.13")
]
HEAVY = {"torch", "transformers", "onnx", "scipy", "scikit-learn", "pandas", "tensorflow"}


def _requirements(path):
    """Each requirement of a file with the text of its hashes."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        entry, _, hashes = line.partition("--hash=")
        if entry.strip() and not entry.lstrip().startswith("#"):
            yield Requirement(entry.strip()), hashes


def _locked(root, name, platform):
    """Package names to locked versions on one platform."""
    environment = {**default_environment(), **platform}
    return {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement, _ in _requirements(root / "requirements" / f"{name}.txt")
        if requirement.marker is None or requirement.marker.evaluate(environment)
    }


def _group(project, name):
    for entry in project["dependency-groups"][name]:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from _group(project, entry["include-group"])


@pytest.fixture
def wanted(project):
    """What each lock has to satisfy."""
    core = [Requirement(text) for text in project["project"]["dependencies"]]
    extras = {
        name: [Requirement(text) for text in texts]
        for name, texts in project["project"]["optional-dependencies"].items()
    }
    weights = base_models()
    return {
        "core": core,
        "build": [Requirement(text) for text in project["build-system"]["requires"]] + list(_group(project, "build")),
        "dev": core + list(_group(project, "dev")),
        "accelerate": [requirement for requirement in extras["train"] if requirement.name == "accelerate"],
        "train": [requirement for requirement in extras["train"] if requirement.name not in APART],
        **{name: extras[name] for name in ("face", "inspect", "language", "serve", "transcribe", "voice")},
        **{name: [Requirement(weights[model].pypi.requirement)] for name, model in WEIGHTS.items()},
    }


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform["python_version"])
@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_satisfies_the_project(root, wanted, name, platform):
    locked = _locked(root, name, platform)
    for requirement in wanted[name]:
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is not in {name}.txt; run: make lock"
        assert requirement.specifier.contains(version), f"{name}.txt holds {requirement.name} {version}; run: make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_requirement_is_one_version_with_a_hash(root, name):
    for requirement, hashes in _requirements(root / "requirements" / f"{name}.txt"):
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert re.match(r"sha256:[0-9a-f]{64}", hashes), requirement


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform["python_version"])
def test_the_locks_agree(root, platform):
    versions = {}
    for name in LOCKS:
        for package, version in _locked(root, name, platform).items():
            assert versions.setdefault(package, version) == version, f"{package} differs in {name}.txt"


def test_the_locks_name_no_index(root):
    for path in (root / "requirements").iterdir():
        assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links|-f)\b", path.read_text(), re.M), path
        assert "://" not in path.read_text(encoding="utf-8"), path


def test_torch_stands_apart_in_the_version_of_the_train_extra(root, project):
    (torch,) = (requirement for requirement, _ in _requirements(root / "requirements" / "torch.txt"))
    assert str(torch) in project["project"]["optional-dependencies"]["train"]
    for name in LOCKS:
        assert "torch" not in _locked(root, name, PLATFORMS[0])


@pytest.mark.parametrize("extra", ["face", "inspect", "language", "serve", "train", "transcribe", "voice"])
def test_the_extra_is_what_is_locked(root, wanted, extra):
    given = {str(requirement) for requirement, _ in _requirements(root / "requirements" / f"{extra}.in")}
    assert {str(requirement) for requirement in wanted[extra]} <= given


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform["python_version"])
def test_the_core_is_light(root, wanted, platform):
    locked = _locked(root, "core", platform)
    assert len(wanted["core"]) <= 15
    assert not HEAVY & locked.keys()
    # More than half of them stand behind two: tokenizers, which asks for a hub client, and altair.
    assert len(locked) <= 42
