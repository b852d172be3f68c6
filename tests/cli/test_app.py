"""What all commands share: help, exit codes, the shape of errors, nothing loaded and nobody called without need."""

import subprocess
import sys
from pathlib import Path

import pytest

from affectome.cli.app import app
from affectome.errors import RunError

_ROOT = Path(__file__).parents[2]
_COMMANDS = ("text", "analyze", "taxonomy", "models", "train", "evaluate", "doctor")
_WITH_EXAMPLES = (
    "text",
    "analyze",
    "taxonomy show",
    "taxonomy map",
    "models pull",
    "models show",
    "models verify",
    "train",
    "evaluate",
)
_HEAVY = ("onnxruntime", "polars", "tokenizers", "altair", "torch", "scipy", "sklearn")
_NO_NETWORK = """
import socket

class Guarded(socket.socket):
    def __init__(self, family=-1, *rest, **named):
        if family != getattr(socket, "AF_UNIX", None):
            raise AssertionError("a socket was opened")
        super().__init__(family, *rest, **named)

socket.socket = Guarded
"""


def test_the_commands_and_what_they_do(affectome):
    outcome = affectome("--help")
    assert outcome.code == 0
    for name in _COMMANDS:
        (line,) = (line for line in outcome.out.splitlines() if line.startswith(f"│ {name} "))
        assert len(line.strip("│ ").removeprefix(name).split()) >= 3, "it says what the command is for"
    assert "130 stopped from the keyboard" in " ".join(outcome.out.split())
    assert affectome().out == outcome.out


@pytest.mark.parametrize("command", _WITH_EXAMPLES)
def test_help_shows_examples(affectome, command):
    outcome = affectome(*command.split(), "--help")
    assert outcome.code == 0
    assert f" affectome {command} " in outcome.out.split("For example:")[1]
    assert "None" not in outcome.out


def test_every_option_is_explained():
    for name, command in app.resolved_commands().items():
        if name in _COMMANDS and command.default_command is not None:
            for argument in command.assemble_argument_collection(parse_docstring=True):
                assert argument.parameter.help or not argument.parse, f"{name} {argument.name}"


def test_version(affectome):
    from affectome.version import __version__

    assert affectome("--version").out.strip() == __version__


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ("txet hello", 2, "bad_usage"),
        ("text", 2, "bad_usage"),
        ("text hello --jsno", 2, "bad_usage"),
        ("text hello --labels ,", 2, "empty_list"),
        ("text hello --labels a,a", 2, "bad_label"),
        ("text hello --taxonomy ekman", 2, "unknown_taxonomy"),
        ("text hello --taxonomy pad-dimensions", 2, "not_categories"),
        ("text hello --model nonesuch", 3, "unknown_model"),
        ("analyze x.csv", 2, "bad_usage"),
        ("analyze --out o", 2, "no_paths"),
        ("analyze nowhere.csv --out o", 2, "missing_path"),
        ("analyze x.csv --out o --workers 0", 2, "bad_workers"),
        ("analyze x.csv --out o --workers many", 2, "bad_usage"),
        ("analyze x.csv --out o --format xlsx", 2, "bad_usage"),
        ("analyze x.csv --out o --formt csv", 2, "bad_usage"),
        ("analyze x.csv --out o --modalities smell", 2, "unknown_modality"),
        ("analyze x.csv --out x.csv", 5, "not_a_folder"),
        ("taxonomy show nonesuch", 2, "unknown_taxonomy"),
        ("taxonomy map ekman7 nonesuch", 2, "unknown_taxonomy"),
        ("models show nonesuch", 3, "unknown_model"),
        ("models verify nonesuch", 3, "unknown_model"),
        ("doctor now", 2, "bad_usage"),
    ],
)
def test_errors_in_both_shapes(affectome, tmp_path, monkeypatch, words, code, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("text\nhello there\n", encoding="utf-8")
    outcome = affectome(*words.split(), "--json")
    assert (outcome.code, outcome.out) == (code, "")
    error = outcome.error()
    assert list(error) == ["code", "message", "value", "allowed", "next_step"]
    assert error["code"] == kind
    assert error["message"]
    assert "Traceback" not in outcome.err
    plain = affectome(*words.split())
    assert plain.code == code
    assert plain.err.startswith(f"error [{kind}] ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv"]


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (KeyboardInterrupt(), 130),
        (RunError("Stopped.", code="interrupted", value="SIGINT"), 130),
        (RunError("Stopped.", code="interrupted", value="SIGTERM"), 5),
        (RunError("Full.", code="disk_full"), 5),
    ],
    ids=repr,
)
def test_how_a_stopped_run_ends(affectome, monkeypatch, raised, code):
    def analyze(*_, **__):
        raise raised

    monkeypatch.setattr("affectome.api.analyze", analyze)
    assert affectome("analyze", "x.csv", "--out", "o").code == code


def test_training_without_the_extra(process, tmp_path):
    script = (
        "import sys\n"
        "class NoTorch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from affectome.cli import main; main()"
    )
    outcome = process("-c", script, "train", _ROOT / "recipes" / "text.toml", "--out", tmp_path, "--data", tmp_path)
    assert outcome.code == 4
    assert outcome.err.startswith("error [missing_extra] ")
    assert 'pip install "affectome[train]"' in outcome.err


def test_training_without_corpora(affectome, tmp_path, monkeypatch):
    monkeypatch.delenv("AFFECTOME_DATA", raising=False)
    outcome = affectome("train", "recipe.toml", "--out", tmp_path)
    assert outcome.code == 2
    assert outcome.err.startswith("error [missing_data] ")


def test_importing_the_package_loads_nothing_heavy(process):
    outcome = process("-c", f"import affectome, sys; print(*(set({_HEAVY}) & set(sys.modules)))")
    assert outcome == (0, "\n", "")


@pytest.mark.parametrize("words", [["models", "list"], ["taxonomy", "list"], ["--version"]], ids=" ".join)
def test_listing_needs_no_runtime(process, words):
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print(*(set({_HEAVY}) & set(sys.modules)), file=sys.stderr))\n"
        "from affectome.cli import main; main()"
    )
    outcome = process("-c", script, *words)
    assert (outcome.code, outcome.err) == (0, "\n")


def test_no_command_opens_a_socket(process, environment, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(_NO_NETWORK, encoding="utf-8")
    (tmp_path / "posts.txt").write_text("Thank you!\n", encoding="utf-8")
    guarded = {"PYTHONPATH": f"{tmp_path}{':' if sys.platform != 'win32' else ';'}{environment['PYTHONPATH']}"}
    assert process("-c", "import socket; socket.socket(socket.AF_INET)", **guarded).code == 1
    for words in (
        ["text", "Thank you!"],
        ["analyze", tmp_path / "posts.txt", "--out", tmp_path / "out", "--no-report"],
        ["models", "list"],
        ["doctor"],
    ):
        outcome = process("-m", "affectome", *words, **guarded)
        assert (outcome.code, outcome.err) == (0, ""), words


@pytest.mark.skipif(sys.platform == "win32", reason="no broken pipes")
@pytest.mark.parametrize("words", [["taxonomy", "show", "emonet40"], ["taxonomy", "show", "emonet40", "--json"]])
def test_a_reader_that_leaves_early(environment, words):
    command = [sys.executable, "-m", "affectome", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as child:
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 0


def test_the_script_and_the_module_are_the_same(process):
    assert (
        process("-m", "affectome", "--help").out
        == process("-c", "from affectome.cli import main; main()", "--help").out
    )
    assert 'affectome = "affectome.cli:main"' in (_ROOT / "pyproject.toml").read_text(encoding="utf-8")
