"""What the documents say is so: commands parse, names exist, links lead somewhere, generated pages are up to date."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import affectome
from affectome import errors
from affectome.cli import app
from affectome.studies import COMMITTED

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*.md")])
SYSTEMS = 49


def _blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)


def _shell_lines():
    """Each command of a shell block, and each example in the help texts."""
    for path in DOCUMENTS:
        for block in _blocks(path, "sh"):
            yield from ((path.name, line.split("#")[0].strip()) for line in block.splitlines() if line.strip())
    for line in (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").splitlines():
        if match := re.search(r"(?:^\s*|\| )(affectome [a-z].*)", line):
            yield "commands.md", match.group(1)


def _is_usage(line):
    return re.search(r"\b[A-Z]{4,}\b", line) is not None


COMMANDS = sorted(
    {(name, line) for name, line in _shell_lines() if line.startswith("affectome") and not _is_usage(line)}
)
TARGETS = sorted({line.split()[1] for _, line in _shell_lines() if line.startswith("make ")})


@pytest.mark.parametrize(("document", "line"), COMMANDS, ids=[line for _, line in COMMANDS])
def test_commands_of_the_documents_exist(document, line):
    words = shlex.split(re.split(r"\s[|>]\s", line)[0])[1:]
    app.parse_args(words, exit_on_error=False, print_error=False)


def test_every_help_text_shows_an_example():
    shown = {line.split()[1] for document, line in COMMANDS if document == "commands.md"}
    assert shown >= {"text", "analyze", "taxonomy", "models", "train", "evaluate", "study"}


@pytest.mark.parametrize("target", TARGETS)
def test_make_targets_of_the_documents_exist(target):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def test_set_up_is_two_commands():
    assert _blocks(ROOT / "README.md", "sh")[0].split("\n") == ["make demo", "make test", ""]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_in_the_documents_uses_names_that_exist(path):
    for block in _blocks(path, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "affectome":
                assert node.attr in affectome.__all__


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_generated_pages_are_up_to_date(plain_environment):
    script = [sys.executable, ROOT / "docs" / "generate.py", "--check"]
    done = subprocess.run(script, env=plain_environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_page_is_in_the_table_of_contents():
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    assert {path.stem for path in ROOT.glob("docs/*.md")} - {"index"} <= set(contents)


def test_every_kind_of_error_has_an_exit_code_on_the_page():
    page = (ROOT / "docs" / "error_codes.md").read_text(encoding="utf-8")
    for kind in errors.AffectomeError.__subclasses__():
        assert f"| {kind.exit_code} | `{kind.__name__}` |" in page


def test_row_codes_of_the_page_are_those_of_the_code():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| `(?:abstained|failed)` \| `(\w+)` \|", page, re.M)
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    assert codes
    assert [code for code in codes if f'"{code}"' not in source] == []


def test_every_system_is_listed_once_in_order_with_its_state():
    page = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \|(?:[^|]+\|){3} (works|partly|not yet) \|$", page, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, SYSTEMS + 1))


def test_every_system_with_a_result_has_its_section():
    page = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", page, re.M)
    assert sorted(sections) == sorted(path.stem for path in COMMITTED.glob("*.json"))
    assert all(f"](#{name}) |" in page for name in sections)
