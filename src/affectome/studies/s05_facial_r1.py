"""Action units for reasoning about faces: how well they are read, without the language model that argues from them.

On drawn faces of people who were not trained on, the truth is exact. On photographs only the expression is known that
most people named; the units that the literature names for it should stand above their base rate on all others.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from affectome.evaluate import bootstrap
from affectome.studies.comparing import claim_end, claim_value
from affectome.studies.study import Claim, Context, Outcome, Role, Row, Study, Table

if TYPE_CHECKING:
    from affectome.learn.action_units_scores import Sense
    from affectome.perceive import ActionUnits

Array = NDArray[np.float32]

_PEOPLE, _SHOTS = 100, 6
_SEED = 0  # of the recipe: the people of its test part are those that it leaves out
_QUICK_PEOPLE, _QUICK_PHOTOGRAPHS = 2, 300
_EXPECTED = {"happiness": (6, 12), "surprise": (1, 2, 5, 26), "anger": (4,), "sadness": (1, 4, 15), "disgust": (9, 10)}
"""Units whose rise with an expression is claimed; others that the literature names stand in the table alone."""
_OF_FACES = ("micro-F1", "mean CCC")
_OF_PHOTOGRAPHS = ("strength", "above the others", "present", "AUC")


def run(context: Context) -> Outcome:
    """Read drawn faces and photographs."""
    from affectome.models import default_model
    from affectome.perceive import ActionUnits

    reader = ActionUnits.of(default_model("action-units"), context.threads)
    drawn, claims = _drawn_faces(context, reader)
    claims.append(_rewards())
    photographs, sensed, lost = _photographs(context, reader)
    notes = [
        "Drawn faces are those of the parametric face ICT-FaceKit; which of its movements show a unit is this project's"
        " own map and approximate. Units 11, 13 and 23 have no movement and are not read. No certified coder's ratings"
        " were at hand.",
        f"A unit is present from a strength of 0.2 on, grade B. Thresholds were chosen on other drawn people. {lost}"
        " photographs of FER+ test on which the mesh found no face are left out.",
        "No photograph was used in training. Expressions of photographs are what most of ten people named; disgust,"
        " fear and contempt are few.",
    ]
    return Outcome([drawn, photographs], claims + sensed, notes)


def _rewards() -> Claim:
    """Whether rewards come out as by hand: the whole set, none of it, half of it, no truth, nothing named."""
    from affectome.learn.action_units_rewards import answer_reward, units_reward

    named = ({6, 12}, {4}, {4, 6}, {6}, set[int]())
    truths: tuple[set[int], ...] = ({6, 12}, {6, 12}, {6, 12}, set(), {6, 12})
    by_hand = (1.0, -1.0, 0.0, 0.0, -1.0)
    right = sum(
        units_reward(f"<think>{' '.join(f'AU{unit}' for unit in units)}</think><answer>joy</answer>", truth) == wanted
        for units, truth, wanted in zip(named, truths, by_hand, strict=True)
    )
    right += answer_reward("<answer>joy</answer>", None) == 0.5
    return Claim("Rewards of a text that come out as worked out by hand", right, len(by_hand) + 1, ">=")


def _drawn_faces(context: Context, reader: ActionUnits) -> tuple[Table, list[Claim]]:
    from affectome.learn.action_units_corpus import draw_faces
    from affectome.learn.action_units_scores import mean_ccc, presence_f1, shifted_people
    from affectome.learn.action_units_training import landmark_mesh
    from affectome.learn.face_rendering import load_face_shape
    from affectome.models import locate

    context.folder("ict_face")
    people = _QUICK_PEOPLE if context.quick else _PEOPLE
    faces = draw_faces(
        load_face_shape(context.data),
        landmark_mesh(locate("face-mesh")),
        context.work / "faces",
        part="test",
        people=people,
        shots=_SHOTS,
        seed=_SEED,
        report=context.note,
    )
    vault = context.vault({"drawn faces": np.arange(len(faces.people))})
    faces = faces.at(vault.open("drawn faces", purpose="figures of the shipped reader"))
    read = reader.measure(faces.points, faces.pictures)
    outputs: dict[str, tuple[Role, Array]] = {
        "nothing moves": ("baseline", np.zeros_like(read)),
        "everything moves": ("baseline", np.ones_like(read)),
        "readings of other people": ("control", shifted_people(read, faces.people, context.seed)),
        "points alone": ("result", reader.measure(faces.points, faces.pictures, by="points")),
        "picture alone": ("result", reader.measure(faces.points, faces.pictures, by="picture")),
        "action-units": ("result", read),
    }
    measured = partial(bootstrap, seed=context.seed, groups=faces.people, truth=faces.strengths)
    f1 = partial(presence_f1, thresholds=reader.thresholds)
    rows = [
        Row(
            name,
            role,
            dict(zip(_OF_FACES, (measured(f1, probability=x), measured(mean_ccc, prediction=x)), strict=True)),
        )
        for name, (role, x) in outputs.items()
    ]
    shipped = rows[-1].values
    claims = [
        claim_value("Drawn faces of new people: micro-F1 of presence", shipped["micro-F1"], ">=", 0.75),  # type: ignore[arg-type]
        claim_value("Drawn faces of new people: mean CCC of strength", shipped["mean CCC"], ">=", 0.70),  # type: ignore[arg-type]
    ]
    context.note("drawn faces")
    title = f"Drawn faces of {people} new people, {len(reader.units)} action units: {len(read)} pictures"
    return Table(title, _OF_FACES, rows), claims


def _photographs(context: Context, reader: ActionUnits) -> tuple[Table, list[Claim], int]:
    from affectome.learn.action_units_scores import find_photographs, sense_checks
    from affectome.models import locate
    from affectome.perceive import FaceMesh

    context.folder("fer2013plus")
    most = _QUICK_PHOTOGRAPHS if context.quick else None
    found = find_photographs(FaceMesh(locate("face-mesh")), context.data, split="test", most=most)
    rows_read = context.vault({"photographs": np.arange(len(found.labels))}).open(
        "photographs", purpose="figures of the shipped reader"
    )
    labels = found.labels[rows_read]
    read = reader.measure(found.points[rows_read], found.crops[rows_read])
    senses = sense_checks(reader, read, labels, seed=context.seed)
    shuffled = sense_checks(reader, read, labels, seed=context.seed, shuffled=True)
    rows = [_others(sense) for sense in senses]
    rows += [_row(f"{_name(sense)}, expressions in another order", "control", sense) for sense in shuffled]
    rows += [_row(_name(sense), "result", sense) for sense in senses]
    claims = [
        claim_end(f"FER+ test, {_name(sense)}: strength above that on all other photographs", sense.difference, ">")
        for sense in senses
        if sense.unit in _EXPECTED.get(sense.expression, ())
    ]
    context.note("photographs")
    title = f"FER+ test, by the expression most people named: {len(labels):,} photographs"
    return Table(title, _OF_PHOTOGRAPHS, rows), claims, found.lost


def _name(sense: Sense) -> str:
    return f"{sense.expression}, unit {sense.unit}"


def _others(sense: Sense) -> Row:
    """The base rate of a unit: its strength on photographs of other expressions."""
    values = {"strength": sense.others, "present": sense.others_present}
    return Row(f"all but {sense.expression}, unit {sense.unit}", "baseline", values)


def _row(name: str, role: Role, sense: Sense) -> Row:
    values = (sense.mean, sense.difference, sense.present, sense.auc)
    return Row(name, role, dict(zip(_OF_PHOTOGRAPHS, values, strict=True)))


STUDY = Study(
    number=5,
    id="facial-r1",
    title="Facial-R1",
    paper="arXiv 2511.10254",
    data=("fer2013plus", "ict_face"),
    extras=("face", "train"),
    run=run,
    missing=(
        "a language model that argues from action units, trained by its rewards, and texts that are made and checked by"
        " turns",
        "action units that certified coders rated on photographs",
    ),
)
