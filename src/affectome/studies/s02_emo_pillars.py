"""Small classifiers of feelings: with and without the context of a text, from soft labels and from hard ones.

The training side of the published system. Its generator of synthetic stories is not part of this study.
"""

from __future__ import annotations

from affectome.studies.context_readers import read_conversations, read_turns
from affectome.studies.corpora import FRIENDS, MELD, SITUATIONS, emotion_words
from affectome.studies.soft_students import GOEMOTIONS, learn_votes, tell_feelings
from affectome.studies.study import Context, Outcome, Study


def run(context: Context) -> Outcome:
    """Compare readers with and without context, then students of soft and of hard labels."""
    from affectome.learn.features import AffectFeatures

    affect = AffectFeatures(threads=context.threads)
    conversations, in_conversations = read_conversations(context, affect)
    turns, in_turns = read_turns(context, affect)
    votes, of_votes = learn_votes(context, affect)
    feelings, of_feelings = tell_feelings(context, affect)
    notes = [
        f"Masked are the labels of all category taxonomies of the package and their synonyms, {len(emotion_words())}"
        " words with their inflections, in training as in testing, in the utterance as in its context.",
        "EmpatheticDialogues: the published table joins turns without a mark. The first turn is what the text of all"
        " turns and the text of the speaker have in common at the start. Training is on the development part, since the"
        " training part is not there.",
        "ECE against one rater asks how often a randomly drawn rater gives the top label; a student of majority labels"
        " that is calibrated for majorities is too sure of itself here. ECE against the majority stands beside it.",
        "The teacher of 28 feelings, the package's reader, has learnt from the human labels of the training comments."
        " Its students see its answers alone, and human labels of the development part only for thresholds of F1. All"
        " read-outs of single comments learn from the same 16,000 of the training comments.",
    ]
    return Outcome(
        [*conversations, *turns, votes, feelings], [*in_conversations, *in_turns, *of_votes, *of_feelings], notes
    )


STUDY = Study(
    number=2,
    id="emo-pillars",
    title="Emo Pillars",
    paper="arXiv 2504.16856",
    data=(SITUATIONS, MELD, FRIENDS, GOEMOTIONS),
    extras=("study", "train"),
    run=run,
    missing=(
        "synthetic utterances grounded in stories, with soft labels by a language model",
        "checks of synthetic data: distinctness, near-duplicates, labels outside the taxonomy",
        "transfer to ISEAR, IEMOCAP and EmoContext",
    ),
)
