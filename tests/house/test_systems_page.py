"""The page of systems shows what a committed result says: its tables, what does not hold, what is missing."""

import importlib.util
from dataclasses import replace

import pytest

from affectome.evaluate import Interval
from affectome.studies import Claim, Digest, Outcome, Result, Row, Table, find_study, registry

INTERVAL = Interval(0.5, 0.4, 0.6, 0.95, 100, 0, 3)
RESULT = Result(
    study="label-variance",
    number=13,
    outcome=Outcome(
        [
            Table(
                "Toys | dolls",
                ("accuracy", "n"),
                [Row("majority", "baseline", {"n": 7}), Row("reader", "result", {"accuracy": INTERVAL})],
            )
        ],
        [Claim("reader reads", 0.5, 0.4, ">=", INTERVAL), Claim("reader reads well", 0.5, 0.9, ">")],
        ["Two toys left out."],
    ),
    quick=False,
    command="affectome study run label-variance --data DIR",
    seed=3,
    threads=2,
    seconds=61.2,
    data={"toys": Digest(4, 100, "0123456789abcdef" * 4)},
    vaults=[],
    reader={"model": "text-en@0.1.0", "sha256": "fedcba9876543210" * 4},
    base=None,
    machine={"processors": 2},
    affectome="0.1.0",
)


@pytest.fixture
def generate(root):
    spec = importlib.util.spec_from_file_location("generate_pages", root / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def page(generate, monkeypatch):
    """The page with one committed result."""

    def write(result):
        for module in (generate, registry):
            monkeypatch.setattr(module, "committed_result", lambda name, *_: result if name == result.study else None)
        return generate.systems_page()

    return write


def test_a_result_on_the_page(page):
    lines = page(RESULT).splitlines()
    row = next(line for line in lines if line.startswith("| 13 |"))
    assert "[Label variance in speech](#label-variance)" in row
    assert row.endswith("| partly |")
    assert "0 work, 1 work partly, 48 do not yet." in lines
    assert "## label-variance" in lines
    assert "| reader reads | 0.500 [0.400, 0.600] | ≥ 0.400 | yes |" in lines
    assert "| reader reads well | 0.500 | > 0.900 | **no** |" in lines
    assert lines.index("| majority | baseline |  | 7 |") < lines.index("| reader | result | 0.500 [0.400, 0.600] |  |")
    assert "- Two toys left out." in lines
    assert "| `toys` | 4 | `0123456789abcdef…` |" in lines
    text = " ".join(lines)
    assert "Command: `affectome study run label-variance --data DIR`; seed 3, 61 s with 2 threads" in text
    assert all(f"- {gap}" in lines for gap in find_study("label-variance").missing)
    assert "Base `" not in text


def test_a_base_encoder_is_named(page):
    found = page(replace(RESULT, base={"name": "minilm", "sha256": "ab" * 32}))
    assert "Base `minilm`, sha256 `abababababababab…`." in found
