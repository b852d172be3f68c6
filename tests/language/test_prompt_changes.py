"""Changes compose and hash, controls are as long as what they stand beside, hints work in two stages."""

import subprocess
import sys

import pytest

from affectome.errors import UsageError
from affectome.language import ScriptedModel
from affectome.language.prompt_changes import (
    CauseHint,
    Chain,
    Expert,
    LikelyHint,
    Prompt,
    Sentence,
    answer_in_two_stages,
    count_words,
    list_stimuli,
    neutral_control,
    token_counter,
)

PROMPT = Prompt("Name the feeling.", "My dog died.", ("joy", "sadness", "anger"))
WARM, LOUD = Sentence("warm", "Please."), Sentence("loud", "Now!")


def words(*found):
    return Expert("words", lambda text: found)


def test_a_request():
    ask = WARM(PROMPT).ask()
    assert ask.messages[0].content == "Name the feeling. Please.\n\nMy dog died.\n\nAnswer with one word."
    assert ask.choices == PROMPT.choices


def test_changes_compose_and_hash():
    both = Chain((WARM, LOUD))
    assert both(PROMPT) == LOUD(WARM(PROMPT))
    assert both.name == "warm + loud"
    assert len({both, Chain((WARM, LOUD)), Chain((LOUD, WARM)), WARM}) == 3
    prints = {each.fingerprint for each in (both, Chain((LOUD, WARM)), WARM, LOUD, LikelyHint(words()))}
    assert len(prints) == 5
    assert Sentence("another name", "Please.").fingerprint == WARM.fingerprint
    assert LikelyHint(words(), 1).fingerprint != CauseHint(words(), 1).fingerprint != CauseHint(words(), 2).fingerprint


def test_the_fingerprint_is_the_same_in_every_process():
    said = (
        "from affectome.language.prompt_changes import *; print(Chain((Sentence('warm', 'Please.'),) * 2).fingerprint)"
    )
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == Chain((WARM, WARM)).fingerprint


def test_the_stimuli():
    stimuli = list_stimuli()
    assert len(stimuli) == len({stimulus.sentence for stimulus in stimuli}) == 11
    assert {stimulus.theory for stimulus in stimuli} == {
        "self-monitoring",
        "social-cognitive",
        "cognitive emotion regulation",
    }


def quarters(text):
    """A made-up tokenizer that cuts words into pieces of four letters."""
    return sum(-(-len(word) // 4) for word in text.split())


@pytest.mark.parametrize("count", [count_words, quarters])
@pytest.mark.parametrize("stimulus", list_stimuli(), ids=lambda stimulus: stimulus.sentence.name)
def test_a_control_is_as_long_as_its_stimulus(stimulus, count):
    control = neutral_control(stimulus.sentence, count)
    assert count(f" {control.text}") == count(f" {stimulus.sentence.text}")
    assert stimulus.sentence.name in control.name


@pytest.mark.parametrize("text", ["Go!", "word " * 200])
def test_no_control_of_this_length(text):
    with pytest.raises(UsageError) as error:
        neutral_control(Sentence("odd", text.strip()))
    assert error.value.code == "no_control"


def test_tokens_are_counted_by_the_model():
    class Tokenizer:
        def encode(self, text, add_special_tokens):
            assert not add_special_tokens
            return list(text)

    model = ScriptedModel(lambda ask: "")
    assert token_counter(model) is count_words
    model.tokenizer = Tokenizer()
    assert token_counter(model)("four") == 4


def test_hints_stand_in_the_instruction():
    hint = LikelyHint(words("sadness", "gloom", "joy", "anger"), 2)
    assert "likely: sadness, joy." in hint(PROMPT).instruction
    assert "cause of the feeling: died, dog." in CauseHint(words("died", "dog", "my"), 2)(PROMPT).instruction
    assert LikelyHint(words("gloom"))(PROMPT) == CauseHint(words())(PROMPT) == PROMPT
    assert (hint.name, CauseHint(words()).name) == ("likely by words", "causes by words")


def two_stages(answer, *likely):
    asked = []

    def say(ask):
        asked.append(ask)
        return answer if answer in ask.choices else "none" if "none" in ask.choices else ask.choices[0]

    return answer_in_two_stages(ScriptedModel(say), PROMPT, LikelyHint(words(*likely))), asked


def test_one_stage_where_a_likely_answer_fits():
    (reply,), (ask,) = two_stages("sadness", "sadness", "joy")
    assert reply.choice == "sadness"
    assert ask.choices == ("sadness", "joy", "none")


def test_two_stages_where_none_fits():
    replies, asked = two_stages("anger", "sadness", "joy")
    assert [reply.choice for reply in replies] == ["none", "anger"]
    assert asked[1].choices == ("anger",)
    assert "None of the likely ones fits: sadness, joy." in asked[1].messages[0].content


def test_without_a_likely_answer_all_are_open():
    for likely in ((), ("joy", "sadness", "anger")):
        (reply,), (ask,) = two_stages("joy", *likely)
        assert (reply.choice, ask.choices) == ("joy", PROMPT.choices)


def test_no_answer_may_be_none():
    prompt = Prompt("?", "?", ("none", "some"))
    with pytest.raises(UsageError) as error:
        answer_in_two_stages(ScriptedModel(lambda ask: "some"), prompt, LikelyHint(words("some")))
    assert error.value.code == "reserved_choice"
