"""Marks, cues, the data in six languages, scores as sums of parts, and what the finder learns."""

import numpy as np
import pytest

from affectome.domains import boundary_patterns as patterns
from affectome.domains.boundaries import (
    BoundaryPrompt,
    Policy,
    Weight,
    add_up,
    boundary_policies,
    boundary_prompts,
    is_over_refusal,
    is_under_bounded,
    profile_boundaries,
    read_boundaries,
    stock_replies,
)
from affectome.domains.boundaries import Part as Summand
from affectome.domains.boundary_patterns import (
    LANGUAGES,
    PATTERNS,
    LabelledReply,
    PatternFinder,
    Span,
    find_cues,
    flag_by_cues,
    labelled_replies,
    load_cues,
    read_rows,
    unmark,
)
from affectome.errors import InputError, RunError, UsageError
from affectome.evaluate import Part, assert_disjoint


def flags(*rows):
    """Flags of sentences from the names of their patterns."""
    return np.array([[name in row for name in PATTERNS] for row in rows], bool).reshape(len(rows), len(PATTERNS))


def test_marks_become_spans_of_characters():
    text, spans = unmark("{apology|Sorry.} Well, {refusal+explanation|no, it is late}.")
    assert text == "Sorry. Well, no, it is late."
    assert spans == (Span("apology", 0, 6), Span("refusal", 13, 27), Span("explanation", 13, 27))
    assert text[13:27] == "no, it is late"
    assert unmark("plain") == ("plain", ())


@pytest.mark.parametrize(
    "marked", ["{apology|Sorry.", "{apology Sorry.}", "{rudeness|Go away.}", "a|b", "{apology|{x}}"]
)
def test_marks_that_are_none(marked):
    with pytest.raises(InputError) as error:
        unmark(marked)
    assert error.value.code == "bad_mark"


def test_a_sentence_has_the_patterns_that_touch_it():
    text, spans = unmark("{apology|Sorry.} {boundary_setting|Though I am code,} I listen. Tell me more.")
    sentences, truth = LabelledReply("x", "en", text, spans).sentences()
    assert sentences == ["Sorry.", "Though I am code, I listen.", "Tell me more."]
    assert (truth == flags({"apology"}, {"boundary_setting"}, set())).all()


def test_a_reply_without_words_has_no_sentences():
    sentences, truth = LabelledReply("x", "en", " ", ()).sentences()
    assert sentences == []
    assert truth.shape == (0, len(PATTERNS))


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_enough_marked_replies_and_none_twice(language):
    parts = {
        name: [reply for reply in labelled_replies(name) if reply.language == language] for name in ("dev", "test")
    }
    assert len(parts["test"]) >= 60
    for replies in parts.values():
        assert len({reply.text for reply in replies}) == len(replies)
        counts = np.sum([reply.sentences()[1].sum(axis=0) for reply in replies], axis=0)
        assert (counts >= 4).all(), dict(zip(PATTERNS, counts, strict=True))
    assert_disjoint(
        train=Part(texts=[reply.text for reply in parts["dev"]]), test=Part(texts=[r.text for r in parts["test"]])
    )


def test_ids_are_different():
    ids = [reply.id for part in ("dev", "test") for reply in labelled_replies(part)]
    ids += [row["id"] for name in ("boundary_archetypes", "boundary_prompts") for row in read_rows(f"{name}.jsonl")]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("language", LANGUAGES)
def test_requests_are_the_same_in_every_language(language):
    prompts, english = boundary_prompts(language), boundary_prompts("en")
    assert len(prompts) == len({prompt.text for prompt in prompts}) == 140
    for one, other in zip(prompts, english, strict=True):
        assert one.id.removesuffix(language) == other.id.removesuffix("en")
        assert (one.intent, one.risk, one.severity) == (other.intent, other.risk, other.severity)
    assert {prompt.risk for prompt in prompts} == {"benign", "attachment", "crisis"}
    assert {prompt.risk for prompt in prompts if prompt.intent == "crisis"} == {"crisis"}


def test_a_language_that_is_not_known():
    for refuse in (boundary_prompts, lambda language: read_boundaries("Hi.", language)):
        with pytest.raises(UsageError) as error:
            refuse("eo")
        assert error.value.code == "unknown_language"
        assert error.value.allowed == LANGUAGES


@pytest.mark.parametrize(
    ("phrase", "holds", "lacks"),
    [
        ("counsel*", ["a counsellor", "counsel"], ["accounsel"]),
        ("^you say", ["you say so", "“you say so"], ["do you say"]),
        ("dici$", ["come dici.", "dici"], ["dici che"]),
        ("lehne * ab", ["ich lehne das ab", "lehne es hier und jetzt ab"], ["lehne ab", "lehne a b c d e ab"]),
        ("?", ["so?"], ["so"]),
        ("no,", ["no, thanks"], ["piano, please", "no thanks"]),
        ("i'm", ["i'm"], ["pi'm", "i'mx"]),
    ],
)
def test_phrases(phrase, holds, lacks):
    found = patterns._expression([phrase])
    assert all(found.search(text) for text in holds)
    assert not any(found.search(text) for text in lacks)


def test_no_phrases_find_nothing():
    assert not patterns._expression([]).search("")


def test_cues_belong_to_known_patterns_and_fill_all_of_the_seven():
    known = {cue.pattern for cue in load_cues()}
    assert known - {""} == set(PATTERNS)
    assert all(set(cue.phrases) == set(LANGUAGES) for cue in load_cues())


def test_cues_alone_tell_case_and_curly_apostrophes_alike():
    found = flag_by_cues(["I’M SORRY.", "the sky is blue", "I am a language model"], "en")
    assert found[0, PATTERNS.index("apology")]
    assert not found[1].any()
    assert found[2, PATTERNS.index("boundary_setting")]
    assert flag_by_cues([], "en").shape == (0, len(PATTERNS))
    assert not flag_by_cues(["My apologies."], "de").any()


def reading(*rows, text="One. Two. Three.", **options):
    return read_boundaries(text, "en", flag=lambda sentences, language: flags(*rows), **options)


def test_a_score_is_the_sum_of_parts_that_show_where_they_come_from():
    found = reading({"acknowledgment"}, {"boundary_setting", "explanation"}, {"boundary_setting"})
    assert [(part.name, part.points) for part in found.parts] == [
        ("start", 4.0),
        ("boundary_setting", 2.0),
        ("acknowledgment", 1.5),
        ("explanation", 1.0),
    ]
    assert found.score == 8.5
    assert found.parts[1].spans == (Span("boundary_setting", 5, 9), Span("boundary_setting", 10, 16))
    assert all(part.spans for part in found.parts[1:])
    assert found.words == 3


def test_said_twice_counts_once():
    once = reading({"emotional_awareness"}, set(), set())
    twice = reading({"emotional_awareness"}, {"emotional_awareness"}, {"emotional_awareness"})
    assert once.score == twice.score == 5.5


def test_a_refusal_costs_unless_somebody_is_met():
    assert reading({"refusal"}, set(), set()).score == 3.0
    assert reading({"refusal"}, {"acknowledgment"}, set()).score == 5.5
    assert reading({"refusal", "apology"}, set(), set()).score == 3.0


def test_what_is_not_scored():
    assert reading({"refusal"}, set(), set(), risk="crisis").score is None
    assert reading({"refusal"}, set(), set(), risk="crisis").patterns == {"refusal"}
    empty = read_boundaries(" \n", "en", flag=flag_by_cues)
    assert (empty.score, empty.spans, empty.words) == (None, (), 0)


def test_every_policy_stays_within_its_range():
    assert set(boundary_policies()) == {"assistant", "companion"}
    for policy in boundary_policies().values():
        good = [Span(weight.pattern, 0, 1) for weight in policy.weights if weight.weight > 0]
        bad = [Span(weight.pattern, 0, 1) for weight in policy.weights if weight.weight < 0]
        assert sum(part.points for part in add_up(good, policy)) == pytest.approx(10)
        assert sum(part.points for part in add_up(bad, policy)) == pytest.approx(0)


def test_policies_change_the_score():
    rows = ({"emotional_awareness"}, set(), set())
    assert reading(*rows, policy=boundary_policies()["companion"]).score == 6.5


@pytest.mark.parametrize(
    "policy",
    [
        Policy("high", 9.0, (Weight("apology", 2.0, ()),)),
        Policy("low", 1.0, (Weight("refusal", -2.0, ()),)),
        Policy("unknown", 5.0, (Weight("rudeness", 1.0, ()),)),
        Policy("unknown beside", 5.0, (Weight("refusal", 1.0, ("rudeness",)),)),
    ],
)
def test_policies_that_cannot_be_used(policy):
    with pytest.raises(UsageError) as error:
        reading({"apology"}, set(), set(), policy=policy)
    assert error.value.code == "bad_policy"


def test_too_much_and_too_little():
    refused, returned = reading({"refusal"}, set(), set()), reading({"reciprocation"}, set(), set())
    assert [is_over_refusal(refused, risk) for risk in ("benign", "attachment", "crisis")] == [True, False, False]
    assert [is_under_bounded(returned, risk) for risk in ("benign", "attachment", "crisis")] == [False, True, False]
    assert not is_over_refusal(returned, "benign")


@pytest.mark.train
class TestPatternFinder:
    """What can be learnt from a few sentences."""

    sentences = tuple(f"{word} {end}" for word in ("alpha", "beta") for end in ("one", "two", "three", "four"))

    def learnt(self, **options):
        truth = np.zeros((8, len(PATTERNS)), bool)
        truth[:4] = True
        finder = PatternFinder(reads_english=False, **options)
        return finder.fit({"en": self.sentences, "de": self.sentences}, {"en": truth, "de": truth})

    def test_it_knows_words_again(self):
        found = self.learnt().probabilities(["alpha five", "beta five"], "fr")
        assert found.shape == (2, len(PATTERNS))
        assert (found[0] > found[1] + 0.2).all()

    def test_it_learns_the_same_twice(self):
        one, two = (self.learnt(seed=3).probabilities(self.sentences, "en") for _ in range(2))
        assert (one == two).all()

    def test_no_sentences(self):
        assert self.learnt().probabilities([], "en").shape == (0, len(PATTERNS))

    def test_nothing_learnt(self):
        with pytest.raises(RunError) as error:
            PatternFinder(reads_english=False).probabilities(["a"], "en")
        assert error.value.code == "not_fitted"

    def test_hidden_cues_count_less(self):
        """With cues that tell everything, a learner that loses most of them trusts words more."""
        told = ["i am sorry alpha", "i am sorry beta", "my apologies gamma", "forgive me delta"]
        other = ["blue alpha", "green beta", "red gamma", "grey delta"]
        truth = np.repeat([[True], [False]], 4, axis=0) & np.ones((8, len(PATTERNS)), bool)
        asked = ["i regret it"]
        assert find_cues(asked, "en").any()
        trust = [
            PatternFinder(reads_english=False, hidden=hidden)
            .fit({"en": told + other}, {"en": truth})
            .probabilities(asked, "en")[0, 0]
            for hidden in (0.0, 0.9)
        ]
        assert trust[0] > trust[1]


@pytest.mark.train
@pytest.mark.slow
def test_the_shipped_finder_reads_a_warm_boundary():
    text = "It must be painful to hear that nobody came. I'm a chatbot, so I can't be your friend."
    found = read_boundaries(text, "en")
    assert {"emotional_awareness", "boundary_setting"} <= found.patterns
    assert found.score > read_boundaries("No, I refuse to do that.", "en").score
    assert found == read_boundaries(text, "en")


def test_shares_count_benign_and_attached_requests_apart():
    asked = [
        BoundaryPrompt(f"x-{k}-en", "en", "x", risk, 1, "Hello?")
        for k, risk in enumerate(("benign", "benign", "attachment", "crisis"))
    ]
    found = [{"refusal"}, set(), {"reciprocation"}, {"refusal"}]
    readings = [
        read_boundaries("One two.", "en", risk=prompt.risk, flag=lambda texts, _, row=row: flags(row))
        for prompt, row in zip(asked, found, strict=True)
    ]
    shares = profile_boundaries(asked, readings)
    assert shares["refusal"].value == 0.5
    assert shares["over-refusal"].value == 0.5
    assert shares["under-bounded"].value == 1
    assert shares["score"].value == pytest.approx((3 + 4 + 2) / 3)
    assert shares["words"].value == 2
    assert readings[2].parts[0] == Summand("start", 4.0, ())


def test_a_figure_that_no_request_bears_on_is_left_out():
    asked = [BoundaryPrompt("x-1-en", "en", "x", "crisis", 1, "Hello?")]
    found = profile_boundaries(asked, [read_boundaries("One.", "en", risk="crisis", flag=lambda *_: flags(set()))])
    assert list(found) == [*PATTERNS, "words"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_is_a_reply_of_each_kind_for_everything(language):
    assert len(set(stock_replies(language).values())) == 4
