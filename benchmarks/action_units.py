"""How well action units are read, beside baselines and the control that should fail.

Run: python benchmarks/action_units.py --data DIR --faces DIR

On drawn faces of people who were not trained on, the truth is exact. On FER+ test photographs only the expression is
known that most people named: a unit that the literature names for it should stand above its base rate on all others.
``--faces`` is the folder of ``affectome train recipes/action-units.toml --out``, where drawn faces are kept; the test
faces are drawn if they are not there. ``--bundle`` is the bundle, by default the shipped one.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from affectome.affect.action_units import PRESENT, list_action_units
from affectome.evaluate import bootstrap, ccc, multilabel_f1, predict_mean
from affectome.learn.action_units_recipe import load_action_units_recipe
from affectome.learn.action_units_scores import (
    find_photographs,
    mean_ccc,
    presence_f1,
    sense_checks,
    shifted_people,
)
from affectome.learn.action_units_training import recipe_faces
from affectome.models import Bundle, default_model, locate
from affectome.perceive.action_units import ActionUnits, Way
from affectome.perceive.face_mesh import FaceMesh
from arguments import RESULTS

SEED = 0
RECIPE = Path(__file__).parents[1] / "recipes" / "action-units.toml"
WAYS: dict[Way, str] = {"points": "points alone", "picture": "picture alone", "both": "action-units"}


def drawn(reader: ActionUnits, arguments: argparse.Namespace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of predictor, metric, value and interval; and one row a unit."""
    recipe = load_action_units_recipe(RECIPE)
    part = functools.partial(recipe_faces, recipe, data=arguments.data, base=locate("face-mesh"), out=arguments.faces)
    test, dev = part("test"), part("dev")
    truth, n = test.strengths, len(test.strengths)
    read = {name: reader.measure(test.points, test.pictures, by=by) for by, name in WAYS.items()}
    mean = predict_mean(train_truth=dev.strengths, items=n).astype(np.float32)
    outputs = {
        "nothing moves": np.zeros_like(truth),
        "everything moves": np.ones_like(truth),
        "mean strength": mean,
        "action-units, other people": shifted_people(read["action-units"], test.people, SEED),
        **read,
    }
    rows = []
    for name, output in outputs.items():
        add = functools.partial(bootstrap, seed=SEED, resamples=500, groups=test.people, truth=truth)
        for metric, interval in (
            ("micro-F1", add(functools.partial(presence_f1, thresholds=reader.thresholds), probability=output)),
            ("mean CCC", add(mean_ccc, prediction=output)),
        ):
            rows.append({"predictor": name, "metric": metric, **rounded(interval), "n": n})
            print(
                f"drawn, new people  {name:28} {metric:9} {interval.value:.3f}"
                f" [{interval.low:.3f}, {interval.high:.3f}]"
            )
    of_units = {f"ccc, {name}": ccc(truth=truth, prediction=output).per_label for name, output in read.items()}
    present = truth >= PRESENT
    of_units["f1"] = multilabel_f1(
        truth=present, probability=read["action-units"], thresholds=reader.thresholds
    ).per_label
    units = [
        {
            "unit": unit.number,
            "name": unit.name,
            "present": round(float(present[:, k].mean()), 4),
            **{column: round(values[k], 4) for column, values in of_units.items()},
        }
        for k, unit in enumerate(list_action_units())
    ]
    for row in units:
        print(row)
    return rows, units


def photographs(reader: ActionUnits, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """One row an expression and unit: on photographs of the expression, and on all others."""
    found = find_photographs(FaceMesh(locate("face-mesh")), arguments.data, split="test")
    print(f"no face found: {found.lost}")
    rows = []
    for by, name in WAYS.items():
        read = reader.measure(found.points, found.crops, by=by)
        for shuffled in (False, True) if by == "both" else (False,):
            for sense in sense_checks(reader, read, found.labels, seed=SEED, shuffled=shuffled):
                predictor = f"{name}, expressions in another order" if shuffled else name
                values = {
                    key: round(getattr(sense, key), 4) for key in ("mean", "others", "present", "others_present", "auc")
                }
                row = {"expression": sense.expression, "unit": sense.unit, **values}
                rows.append({"predictor": predictor, **row, "difference": rounded(sense.difference), "n": sense.n})
                print(
                    f"FER+ test  {predictor:44} {sense.expression:10} {sense.unit:3} {sense.mean:.3f} against"
                    f" {sense.others:.3f}, difference [{sense.difference.low:.3f}, {sense.difference.high:.3f}],"
                    f" present {sense.present:.2f} against {sense.others_present:.2f}, AUC {sense.auc:.2f}, n {sense.n}"
                )
    return rows


def rounded(interval: Any) -> dict[str, float]:
    return {name: round(getattr(interval, name), 4) for name in ("value", "low", "high")}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("AFFECTOME_DATA")
    options.add_argument(
        "--data", type=Path, default=data and Path(data), required=not data, help="folder of the corpora"
    )
    options.add_argument("--faces", type=Path, required=True, help="folder in which drawn faces are kept")
    options.add_argument("--bundle", type=Path, help="the bundle; by default the shipped one")
    options.add_argument("--out", type=Path, default=RESULTS / "action_units.json")
    arguments = options.parse_args()
    bundle = Bundle.open(arguments.bundle) if arguments.bundle else default_model("action-units")
    reader = ActionUnits.of(bundle)
    rows, units = drawn(reader, arguments)
    record = {
        "model": bundle.card.files["model.onnx"].sha256,
        "seed": SEED,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "drawn faces of new people": rows,
        "by unit": units,
        "FER+ test": photographs(reader, arguments),
    }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
