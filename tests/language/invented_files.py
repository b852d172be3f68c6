"""Files of authors as invented ones, for benchmarks that read them by path."""

import json


def write_survey(folder):
    """A survey of two propositions with three instructions and no personas."""
    for path, content in {
        "political_compass/political_compass_questions.txt": "Rain is good.\nBread is dear.",
        "political_compass/question_category_mapping.json": '[{"name": "Life", "questions": [0, 1]}]',
        "prompting/instructions.json": json.dumps(
            {"closed_domain": ["{proposition} {options}"] * 3, "open_domain": []}
        ),
        "prompting/personas.json": json.dumps(
            dict.fromkeys(("age", "gender", "nation", "cls", "political_orientation"), ())
        ),
    }.items():
        (folder / "data" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "data" / path).write_text(content, encoding="utf-8")


def write_talks(path, *, count, last):
    """Talks of a supporter who asks first and then uses a last strategy."""
    turns = (("seeker", "I lost my job.", ""), ("supporter", "When?", "Question"), ("seeker", "Now.", ""))
    dialog = [
        {"speaker": who, "content": said, "annotation": {"strategy": name} if name else {}}
        for who, said, name in (*turns, ("supporter", "I see.", last))
    ]
    path.write_text(json.dumps([{"dialog": dialog}] * count), encoding="utf-8")
