import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from affectome.errors import UsageError
from affectome.language import Ask, Message
from affectome.language.inside import ReadPrompts, Site, add_vectors

pytestmark = pytest.mark.train
PROMPTS = [(Message("user", text),) for text in ("a b c", "how are you", "fine", "a b c")]
REPLIES = ["joy a", "anger", "b c yes no", "yes"]


def test_replies_do_not_depend_on_their_neighbours(language_model):
    together = ReadPrompts(language_model, PROMPTS).write(6)
    assert together == [ReadPrompts(language_model, [prompt]).write(6)[0] for prompt in PROMPTS]
    assert together == ReadPrompts(language_model, PROMPTS, batch=2).write(6)
    assert together[0] == together[3]
    assert all(len(reply.split()) <= 6 for reply in together)


def test_scores_are_those_of_the_model_itself(language_model):
    found, tokens = ReadPrompts(language_model, PROMPTS).score(REPLIES)
    assert tokens.tolist() == [2, 1, 4, 1]
    expected = [language_model.score(prompt, [reply])[0] for prompt, reply in zip(PROMPTS, REPLIES, strict=True)]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_prompts_can_be_answered_again(language_model):
    prompts = ReadPrompts(language_model, PROMPTS)
    first, scores = prompts.write(6), prompts.score(REPLIES)[0]
    assert prompts.write(6) == first
    np.testing.assert_array_equal(prompts.score(REPLIES)[0], scores)


def test_what_is_read_is_what_generate_would_read(language_model):
    """The same tokens as without the cache, under a dial too, which moves the last token and those behind it alone."""
    site = Site("block_output", 0)
    for strength in (0.0, 3.0):
        for prompt in PROMPTS:
            tokens = torch.tensor([language_model.prompt_tokens(prompt)])
            prompts = ReadPrompts(language_model, [prompt])
            with add_vectors(language_model.model, {site: torch.arange(16.0)}, strength=strength):
                options = {"repetition_penalty": 1.05, "no_repeat_ngram_size": 3, "do_sample": False}
                found = language_model.model.generate(
                    tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=6, min_new_tokens=6, **options
                )
                expected = language_model.tokenizer.decode(found[0, tokens.shape[1] :], skip_special_tokens=True)
                assert prompts.write(6) == [expected.strip()]


def test_a_reply_without_text_has_no_tokens(language_model):
    found, tokens = ReadPrompts(language_model, PROMPTS[:2]).score(["", "joy"])
    assert tokens.tolist() == [0, 1]
    assert found[0] == 0


def test_the_most_probable_token_comes_first(language_model):
    plain = language_model.answer(Ask(PROMPTS[1], max_tokens=1)).text
    assert ReadPrompts(language_model, PROMPTS[1:2]).write(1) in ([plain], [""])


def test_no_room_for_a_reply_is_refused(language_model):
    with pytest.raises(UsageError) as caught:
        ReadPrompts(language_model, PROMPTS).write(0)
    assert caught.value.code == "bad_tokens"
