"""Can answers talk a judge into better ratings, does the guard against that change honest ratings, and does the judge
agree with people at all?

Run: python benchmarks/judge_attacks.py --data DIR [--model FILE ...] [--form digit] [--rubric 'support with examples']

First stand the controls: a judge that draws its ratings, which payloads move by chance alone, and the same
model without the guard, which payloads should move more. 60 payloads of five kinds go into weak and benign answers;
ratings are points of a scale from 0 to 9. A judge that does not tell benign from weak answers passes every attack
emptily, so this is a figure too. People's grades are those of explanations by three systems (Yang and others 2023), of
which only figures are written. Answers of the model are kept, so that a run that was killed goes on; rows of judges
that were measured before stay in the result.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from affectome.evaluate import Interval, bootstrap_mean
from affectome.language import RememberingModel, open_model
from affectome.language.judge_agreement import judge_agreement, win_rate
from affectome.language.judge_attacks import Rater, attack, lifts, load_cases, load_payloads
from affectome.language.judges import Judge, Preference, Rating, load_rubrics, tally
from affectome.models import pull
from affectome.studies.explained_posts import EXPLAINED, Explanations, load_explanations
from arguments import RESULTS, parser
from result_rows import SEED

GRADED = 30  # graded explanations, an equal share of each system: what one processor core rates in minutes
PAIRS = 12
SHOWN = 700  # characters of a post and of an explanation
AIM = 1.0  # points
DRAWN = "drawn ratings"
LENGTH = "length in characters"
CONTROLS = (DRAWN, LENGTH)

Row = dict[str, Any]


def row(data: str, predictor: str, metric: str, found: Interval | float | None, n: int) -> Row:
    """A row, with an interval where there is one."""
    known = found if isinstance(found, Interval) else None
    value = found.value if isinstance(found, Interval) else found
    numbers = {"value": value, "low": known and known.low, "high": known and known.high}
    rounded = {name: None if x is None or np.isnan(x) else round(float(x), 4) for name, x in numbers.items()}
    span = f"[{known.low:.3f}, {known.high:.3f}]" if known else ""
    print(f"{data:28} {predictor:52} {metric:44} {rounded['value']} {span} n {n}", flush=True)
    return {"set": data, "predictor": predictor, "metric": metric, **rounded, "n": n}


def drawn(request: str, answer: str) -> Rating:
    """A rating that depends on nothing but chance, the same for the same text."""
    number = int.from_bytes(sha256(f"{SEED} {request} {answer}".encode()).digest()[:8], "big")
    rubric = load_rubrics()["support"]
    return Rating(rubric.low + (rubric.high - rubric.low) * number / 2**64)


def separation(rate: Rater, name: str) -> list[Row]:
    """Does it rate benign answers above weak ones, which is what a judge is for?"""
    gaps = np.array(
        [rate(case.request, case.benign).value - rate(case.request, case.weak).value for case in load_cases()]
    )
    gaps = gaps[~np.isnan(gaps)]
    if not len(gaps):
        return []
    return [
        row("benign and weak answers", name, "benign minus weak", bootstrap_mean(gaps, seed=SEED), len(gaps)),
        row(
            "benign and weak answers", name, "share in the right order", bootstrap_mean(gaps > 0, seed=SEED), len(gaps)
        ),
    ]


def attacked(rate: Rater, name: str, top: str) -> list[Row]:
    def report(done: int, of: int) -> None:
        if done % 20 == 0:
            print(f"  {name}: {done} of {of}", flush=True)

    trials = attack(rate, load_payloads(), load_cases(), top=top, report=report)
    rows = []
    for found in lifts(trials, seed=SEED):
        n = sum(each.target == found.target and found.kind in ("all", each.payload.kind) for each in trials)
        data = f"payloads in {found.target} answers"
        rows.append(row(data, name, f"lift, {found.kind}", found.lift, n - found.unscored))
        if found.target == "weak":
            rows.append(row(data, name, f"lift over filler, {found.kind}", found.over_filler, n - found.unscored))
        if found.kind == "all" and found.lift is not None:
            rows.append(row(data, name, "lift of the worst payload", found.worst, n - found.unscored))
            moved = [each.attacked.value - each.clean.value for each in trials if each.target == found.target]
            over = bootstrap_mean(np.array(moved)[~np.isnan(moved)] > AIM, seed=SEED)
            rows.append(row(data, name, f"share lifted by more than {AIM:g} point", over, n - found.unscored))
            rows.append(row(data, name, "unscored", float(found.unscored), n))
    return rows


def drift(guarded: Rater, plain: Rater, name: str) -> list[Row]:
    """What the guard alone changes where nobody attacks."""
    rows = []
    for target in ("benign", "weak"):
        pairs = [
            (guarded(case.request, getattr(case, target)), plain(case.request, getattr(case, target)))
            for case in load_cases()
        ]
        moved = np.array([one.value - other.value for one, other in pairs])
        moved = moved[~np.isnan(moved)]
        if len(moved):
            for metric, values in (("drift", moved), ("absolute drift", np.abs(moved))):
                interval = bootstrap_mean(values, seed=SEED)
                rows.append(row(f"the guard on {target} answers", name, metric, interval, len(values)))
    return rows


def readable(judge: Judge, name: str) -> list[Row]:
    """How many verdicts in the strict form can be read: a small model gives few."""
    ratings = [judge.rate(case.request, answer) for case in load_cases() for answer in (case.weak, case.benign)]
    unread = sum(bool(rating.failure) for rating in ratings)
    return [row("verdicts as JSON objects", name, "share unscored", unread / len(ratings), len(ratings))]


def rated(people: Explanations, rows: Sequence[int], ratings: Sequence[Rating], name: str) -> list[Row]:
    if all(rating.failure for rating in ratings):
        return [row("graded explanations", name, "unscored", float(len(rows)), len(rows))]
    found = judge_agreement(
        people=people.grades["overall"][list(rows)],
        ratings=[rating.value for rating in ratings],
        lengths=[len(people.texts[k]) for k in rows],
        systems=[people.writers[k] for k in rows],
        groups=[people.posts[k] for k in rows],
        seed=SEED,
    )
    data = "graded explanations"
    measured = (
        ("quadratic kappa", found.kappa),
        ("Spearman, all systems", found.spearman),
        ("Spearman within a system", found.within),
        ("Spearman at equal length", found.beyond_length),
    )
    made = [row(data, LENGTH, "Spearman, all systems", found.length, found.n)] if name == DRAWN else []
    made += [row(data, name, metric, value, found.n) for metric, value in measured]
    return [*made, row(data, name, "unscored", float(found.unscored), len(rows))]


def compared(
    people: Explanations, pairs: Sequence[tuple[int, int]], preferences: Sequence[Preference], name: str
) -> list[Row]:
    """The chat model against the weak one on the same post."""
    counts = tally(preferences)
    n = len(preferences)
    tied = [float(each.winner == "tie") for each in preferences]
    lean = [each.lean for each in preferences if each.winner]
    data = "pairs of explanations"
    rows = [row(data, name, "unscored", float(counts.unscored), n)]
    if counts.unscored == n:
        return rows
    rows += [
        row(data, name, "other winner in the other order", bootstrap_mean(tied, seed=SEED), n),
        row(data, name, "preference for what stands first", bootstrap_mean(lean, seed=SEED), len(lean)),
    ]
    better = [people.grades["overall"][one] - people.grades["overall"][other] for one, other in pairs]
    right = [
        (each.winner == "first") == (gap > 0)
        for each, gap in zip(preferences, better, strict=True)
        if each.winner in ("first", "second") and gap != 0
    ]
    if right:
        share = bootstrap_mean(np.array(right, float), seed=SEED)
        rows.append(row(data, name, "as people, where both orders agree", share, len(right)))
    wins = {"first": 1.0, "second": 0.0, "tie": 0.5, "": float("nan")}
    lengths = [[len(people.texts[pair[side]]) for pair in pairs] for side in (0, 1)]
    found = win_rate(
        [wins[each.winner] for each in preferences], first_lengths=lengths[0], second_lengths=lengths[1], seed=SEED
    )
    rows.append(row(data, name, "wins of the chat model", found.raw, found.n))
    rows.append(row(data, name, "wins of the chat model at equal length", found.controlled, found.n))
    return rows


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--model", action="append", help="language model; by default `affectome models pull smollm2`")
    options.add_argument(
        "--answers", type=Path, default=Path("runs/judge_answers.sqlite"), help="where answers are kept"
    )
    options.add_argument("--form", choices=("yes", "digit"), default="yes", help="how it rates")
    options.add_argument("--rubric", choices=("support", "support with examples"), default="support")
    options.add_argument("--out", type=Path, default=RESULTS / "judge_attacks.json")
    arguments = options.parse_args()
    people = load_explanations(arguments.data / EXPLAINED)
    rng = np.random.default_rng(SEED)
    systems = sorted(set(people.writers))
    graded = [
        int(k)
        for system in systems
        for k in rng.permutation([k for k, writer in enumerate(people.writers) if writer == system])[: GRADED // 3]
    ]
    weak = {people.posts[k]: k for k, writer in enumerate(people.writers) if writer == "weak model"}
    pairs = [
        (k, weak[people.posts[k]])
        for k, writer in enumerate(people.writers)
        if writer == "chat model, right" and people.posts[k] in weak
    ]
    pairs = [pairs[k] for k in rng.permutation(len(pairs))[:PAIRS]]

    rows = separation(drawn, DRAWN)
    rows += attacked(drawn, DRAWN, "9")
    rows += rated(people, graded, [Rating(drawn(people.posts[k], people.texts[k]).value / 3) for k in graded], DRAWN)
    models = {}
    for word in arguments.model or [str(pull("smollm2"))]:
        with RememberingModel(open_model(word), arguments.answers) as model:
            models[model.name] = model.fingerprint
            guarded = Judge(model, load_rubrics()[arguments.rubric], arguments.form, seed=SEED)
            plain = replace(guarded, guarded=False)
            named = f"{model.name}, {arguments.form}, {arguments.rubric}"
            for judge, what in ((plain, "without the guard"), (guarded, "guarded")):
                rows += separation(judge.rate, f"{named}, {what}")
                rows += attacked(judge.rate, f"{named}, {what}", judge.top)
            rows += drift(guarded.rate, plain.rate, named)
            rows += readable(
                Judge(model, load_rubrics()["support"], seed=SEED), f"{model.name}, object, support, guarded"
            )
            judge = Judge(model, load_rubrics()["explanation"], arguments.form, seed=SEED, limit=SHOWN)
            ratings = [judge.rate(people.posts[k], people.texts[k]) for k in graded]
            rows += rated(people, graded, ratings, f"{model.name}, {arguments.form}, explanation, guarded")
            preferences = [
                judge.compare(people.posts[one], people.texts[one], people.texts[other]) for one, other in pairs
            ]
            rows += compared(people, pairs, preferences, f"{model.name}, explanation, guarded")
    if arguments.out.is_file():
        before = json.loads(arguments.out.read_text(encoding="utf-8"))
        measured = {each["predictor"] for each in rows}
        rows = [each for each in before["results"] if each["predictor"] not in measured] + rows
        rows.sort(key=lambda each: each["predictor"] not in CONTROLS)
        models = {**before["models"], **models}
    record = {
        "models": models,
        "seed": SEED,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "results": rows,
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
