"""Write the pages that mirror the code and the results: commands, taxonomies, error_codes, figures
and systems.

``python docs/generate.py`` writes them; with ``--check`` it compares and fails if one is out of date.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import affectome
from affectome import errors
from affectome.affect import Taxonomy, list_taxonomies, load_taxonomy
from affectome.cli import app
from affectome.studies import Result, Study, committed_result, find_study, list_systems, show_value, system_state
from affectome.studies import Table as ResultTable

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks/results"
PACKAGE = Path(inspect.getfile(affectome)).parent
NOTE = "<!-- Written by docs/generate.py from the code; `make docs` writes it again. -->\n\n"
_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}
ACCURACY = (
    (
        "text_accuracy",
        "How well the text reader reads",
        "--data DIR --checkpoint FILE",
        "Thresholds come from development rows.",
    ),
    (
        "judge_attacks",
        "What answers can talk judges into",
        "--data DIR --model MODEL",
        "Once with SmolLM2 and once with Qwen2.5-Coder 0.5B, `--form digit --rubric 'support with examples'`;"
        " ratings are points from 0 to 9. Lift is what a payload adds, drift what the guard changes where there"
        " is none. With the guard neither model tells benign answers from weak ones, and neither agrees with people:"
        " that payloads lift them little says nothing about larger models, which the same command measures.",
    ),
    (
        "toxicity",
        "How well toxicity is read",
        "--data DIR",
        "The rated posts of training are of other corpora than the test; harmless texts are taken as such, nobody was"
        " asked about them.",
    ),
    (
        "voice_accuracy",
        "How well the voice readers read",
        "--data DIR --whisper DIR --cross DIR",
        "No speaker of a test clip is in training; intervals are over speakers. `voice-cross` is not shipped: it has"
        " heard no German and shows how such a reader carries over.",
    ),
    (
        "face_accuracy",
        "How well the face reader reads",
        "--data DIR --peer FILE",
        "Photographs that are also in the test part, cut or scaled differently, were taken out of training.",
    ),
)
ERROR_TYPES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.AffectomeError) and kind is not errors.AffectomeError
}


def commands_page() -> str:
    """Every command with its parameters, as the command line itself describes them."""
    return NOTE + app.generate_docs(output_format="markdown", recursive=True).rstrip() + "\n"


def taxonomies_page() -> str:
    """Every taxonomy with its labels, glosses, groups and source."""
    taxonomies = [load_taxonomy(taxonomy_id) for taxonomy_id in list_taxonomies(kind=None)]
    overview = _table(
        ("taxonomy", "title", "labels", "exclusive", "names"),
        [
            (f"[`{t.id}`](#{t.id})", t.title, str(len(t)), "yes" if t.exclusive else "no", t.kind.replace("-", " "))
            for t in taxonomies
        ],
    )
    intro = (
        "The vocabularies that come with the package. If the labels of a taxonomy are *exclusive*, their\n"
        "probabilities sum to 1; otherwise each label is present or absent by itself. `affectome taxonomy map`\n"
        "carries a distribution from one to another.\n"
    )
    return NOTE + "\n".join(["# Taxonomies", "", intro, overview, *map(_taxonomy_section, taxonomies)])


def _taxonomy_section(taxonomy: Taxonomy) -> str:
    lines = [f"## {taxonomy.id}", "", f"{taxonomy.title}.", "", f"Source: {taxonomy.source}.", ""]
    for scheme, groups in taxonomy.groups.items():
        members = "; ".join(f"*{group}*: {', '.join(labels)}" for group, labels in groups.items())
        lines += [f"Groups by {scheme}: {members}.", ""]
    rows = [(label, taxonomy.glosses.get(label, ""), taxonomy.parents.get(label, "")) for label in taxonomy.labels]
    if any(parent for _, _, parent in rows):
        lines.append(_table(("label", "what it feels like", "a kind of"), rows))
    else:
        lines.append(_table(("label", "what it feels like"), [row[:2] for row in rows]))
    return "\n".join(lines)


class Raise(NamedTuple):
    """One place in the code that makes an error: its code, type, room and sentence, with … for what varies."""

    code: str
    kind: str
    room: str
    sentence: str


def error_codes_page() -> str:
    """Exit codes of the commands and every error code, read from the source."""
    exits = [("0", "", "done")]
    exits += sorted((str(kind.exit_code), f"`{name}`", _first_line(kind)) for name, kind in ERROR_TYPES.items())
    exits += [("1", "", "an error nobody foresaw; please report it"), ("130", "", "stopped from the keyboard")]
    exits.sort(key=lambda row: int(row[0]))
    by_code: dict[str, list[Raise]] = defaultdict(list)
    for found in _raises():
        by_code[found.code].append(found)
    rows = [
        (
            f"`{code}`",
            ", ".join(sorted({f"`{found.kind}`" for found in places if found.kind})),
            ", ".join(sorted({found.room for found in places})),
            " <br> ".join(sorted({found.sentence for found in places if found.sentence})),
        )
        for code, places in sorted(by_code.items())
    ]
    return NOTE + "\n".join(
        [
            "# Exit codes and error codes",
            "",
            "## Exit codes",
            "",
            _table(("exit code", "error", "what happened"), exits),
            "## Error codes",
            "",
            "A `…` stands for what varies. Where storage fails the code names the cause, such as `disk_full`; those",
            "and other codes that are chosen while running are not listed.",
            "",
            _table(("code", "error", "room", "says"), rows),
        ]
    )


def _raises() -> Iterator[Raise]:
    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    for path, module in modules.items():
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        makers = _error_makers(module)
        for call in ast.walk(module):
            if not isinstance(call, ast.Call):
                continue
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            sentences = call.args[:1]
            if name in makers and len(call.args) > makers[name]:
                given, sentences = [call.args[makers[name]]], []
            choices = [(node.body, node.orelse) if isinstance(node, ast.IfExp) else (node,) for node in given]
            for code in filter(None, (_sentence(node) for nodes in choices for node in nodes)):
                yield Raise(code, name if name in ERROR_TYPES else "", room, "".join(map(_sentence, sentences)))


def _error_makers(module: ast.Module) -> dict[str, int]:
    """Functions of a module that return an error and take its code, each with the code's position."""
    makers = {}
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id in ERROR_TYPES:
            names = [argument.arg for argument in node.args.args]
            if "code" in names:
                makers[node.name] = names.index("code")
    return makers


def _sentence(node: ast.expr) -> str:
    """The text of a string literal, with … in place of what is filled in; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_sentence(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0].rstrip(".")


def _table(heading: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in (heading, ("---",) * len(heading), *rows)]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def figures_page() -> str:
    """Aims beside what was measured, then every row of the committed results with the command that made it."""
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    aims = tomllib.loads((RESULTS.parent / "aims.toml").read_text(encoding="utf-8"))["aims"]
    rows = []
    for aim in aims:
        value = _measured(aim, results)
        wanted = f"≥ {aim['at_least']}" if "at_least" in aim else f"≤ {aim['at_most']}"
        if value is None:
            held = "not measured yet"
        else:
            held = "yes" if aim.get("at_least", value) <= value <= aim.get("at_most", value) else "**no**"
        rows.append((aim["says"], wanted, "" if value is None else f"{value:.3f}".rstrip("0").rstrip("."), held))
    parts = [
        "# Figures",
        "",
        "Every figure comes from a committed result that a committed command wrote; intervals are 95 % bootstrap",
        "intervals over test items. Trivial baselines stand first in each table, and so does the control that should",
        "fail: the same reader with every label at the position of another one. The open-vocabulary sets have no text",
        "in training; their label words do occur there, as words of the situations composed for this project.",
        "",
        "## Aims",
        "",
        _table(("what", "aim", "measured", "holds"), rows),
    ]
    for name, title, options, remark in ACCURACY:
        if name not in results:
            continue
        found = results[name]
        weights = found.get("models") or {found["model"]: found["weights"]}
        named = ", ".join(f"`{model}` with weights sha256 `{sha256[:16]}…`" for model, sha256 in weights.items())
        parts += [
            f"## {title}",
            "",
            f"{named}; seed {found['seed']}; {found['machine']}.",
            f"Command: `python benchmarks/{name}.py {options}`. `--data` is a folder with the corpora. {remark}",
            "",
            _table(
                ("set", "reader", "metric", "value", "95 % interval", "n"),
                [
                    (
                        row["set"],
                        row["predictor"],
                        row["metric"],
                        f"{row['value']:.3f}",
                        "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}",
                        f"{row['n']:,}",
                    )
                    for row in found["results"]
                ],
            ),
        ]
    for name in sorted(set(results) - {name for name, *_ in ACCURACY}):
        parts += [
            f"## {name.replace('_', ' ').capitalize()}",
            "",
            f"Command: `python benchmarks/{name}.py`",
            "",
            *_shown(results[name]),
        ]
    return NOTE + "\n".join(parts).rstrip() + "\n"


def _shown(found: dict[str, Any]) -> Iterator[str]:
    """A result of any layout: lists of records as tables, the rest as JSON."""
    plain = {name: value for name, value in found.items() if not _are_records(value)}
    if plain:
        yield from ("```json", json.dumps(plain, indent=1), "```", "")
    for name, records in found.items():
        if _are_records(records):
            columns = list(dict.fromkeys(column for record in records for column in record))
            cells = [tuple(_cell(record.get(column)) for column in columns) for record in records]
            yield from (f"{name[0].upper()}{name[1:]}:", "", _table(tuple(columns), cells))


def _are_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _cell(value: object) -> str:
    if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
        return f"{_cell(value['value'])} [{_cell(value['low'])}, {_cell(value['high'])}]"
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else str(value)


def _measured(aim: dict[str, Any], results: dict[str, Any]) -> float | None:
    """The value an aim speaks of, None if its result is not there."""
    found = results.get(aim["result"])
    if found is None:
        return None
    if "row" in aim:
        keys = ("set", "predictor", "metric")
        matching = [row for row in found["results"] if [row[key] for key in keys] == aim["row"]]
        return float(matching[0][aim.get("end", "value")]) if matching else None
    try:
        for step in aim["at"]:
            found = found[step]
    except (KeyError, IndexError):
        return None
    return float(found)


def systems_page() -> str:
    """Every system with its state, then for each one with a committed result its tables, claims and gaps."""
    found = {system.id: committed_result(system.id) for system in list_systems()}
    states = {system.id: system_state(system) for system in list_systems()}
    rows = [
        (
            str(system.number),
            f"[{system.title}](#{system.id})" if found[system.id] else system.title,
            system.what,
            system.paper,
            states[system.id].name,
        )
        for system in list_systems()
    ]
    counted = Counter(state.name for state in states.values())
    parts = [
        "# Systems",
        "",
        "Published systems for affect that Affectome means to bring under one roof, and whether each one works here.",
        "*Works*: a committed run measured it, every claim holds and nothing is missing. *Partly*: there is a",
        "committed run, and the section of the system says what does not hold or is missing. *Not yet*: nothing has",
        "been measured.",
        "Each table starts with what has no skill; intervals are 95 % bootstrap intervals.",
        "",
        f"{counted['works']} work, {counted['partly']} work partly, {counted['not yet']} do not yet.",
        "",
        _table(("no.", "system", "what it does", "paper or code", "here"), rows),
    ]
    for system in list_systems():
        if result := found[system.id]:
            parts += [f"## {system.id}", "", f"{system.number}, {system.title}: {system.what} ({system.paper}).", ""]
            parts += [f"**{states[system.id].name.capitalize()}.**", ""]
            parts += _study_section(find_study(system.id), result)
    return NOTE + "\n".join(parts).rstrip() + "\n"


def _study_section(study: Study, result: Result) -> list[str]:
    lines = []
    if study.missing:
        lines += ["Missing:", "", *(f"- {text}" for text in study.missing), ""]
    claims = [
        (
            claim.text,
            show_value(claim.value if claim.interval is None else claim.interval),
            f"{_SIGNS[claim.comparison]} {show_value(claim.threshold)}",
            "yes" if claim.holds else "**no**",
        )
        for claim in result.outcome.claims
    ]
    lines.append(_table(("claim", "measured", "wanted", "holds"), claims))
    for table in result.outcome.tables:
        lines += [f"{table.title}:", "", _result_table(table)]
    lines += [f"- {note}" for note in result.outcome.notes]
    lines += [
        "",
        f"Command: `{result.command}`; seed {result.seed}, {result.seconds:,.0f} s with {result.threads} threads on "
        f"{result.machine['processors']} processors. Reader `{result.reader['model']}`, weights sha256 "
        f"`{result.reader['sha256'][:16]}…`."
        + (f" Base `{result.base['name']}`, sha256 `{result.base['sha256'][:16]}…`." if result.base else ""),
        "",
        _table(
            ("data", "files", "sha256"),
            [(f"`{name}`", f"{d.files:,}", f"`{d.sha256[:16]}…`") for name, d in result.data.items()],
        ),
    ]
    return lines


def _result_table(table: ResultTable) -> str:
    rows = [
        (row.predictor, row.role, *(show_value(row.values[m]) if m in row.values else "" for m in table.metrics))
        for row in table.rows
    ]
    return _table(("predictor", "role", *table.metrics), rows)


PAGES = {
    "commands.md": commands_page,
    "error_codes.md": error_codes_page,
    "figures.md": figures_page,
    "systems.md": systems_page,
    "taxonomies.md": taxonomies_page,
}


def main() -> int:
    """Write or compare the pages; the exit code is 1 if one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        print(f"Out of date: {', '.join(stale)}. Run: make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
