"""Models in this process, behind a server, and remembered on disk."""

import json
import multiprocessing
import time

import pytest

from affectome.errors import ModelError, RunError
from affectome.language import Ask, Message, RememberingModel, ScriptedModel, open_model

HELLO = (Message("user", "how are you"),)


@pytest.mark.train
def test_continuations_are_scored_as_if_alone(tiny):
    model = open_model(str(tiny))
    tails = ["joy", "joy anger yes", "no", "a b c a b c"]
    together = model.score(HELLO, tails)
    assert together == pytest.approx([model.score(HELLO, [tail])[0] for tail in tails], abs=1e-4)
    assert all(value < 0 for value in together)


@pytest.mark.train
def test_a_choice_is_the_most_probable_one(tiny):
    model = open_model(str(tiny))
    reply = model.answer(Ask(HELLO, choices=("joy", "anger", "no")))
    assert reply.choice == max(reply.scores, key=reply.scores.get)
    assert reply.scores == pytest.approx(
        dict(zip(("joy", "anger", "no"), model.score(HELLO, ["joy", "anger", "no"]), strict=True))
    )


@pytest.mark.train
def test_answers_are_repeatable(tiny):
    model = open_model(str(tiny))
    drawn = [model.answer(Ask(HELLO, max_tokens=8, temperature=1.0, seed=seed)).text for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    plain = model.answer(Ask(HELLO, max_tokens=5))
    assert plain.text == model.answer(Ask(HELLO, max_tokens=5)).text
    assert (plain.input_tokens, plain.output_tokens <= 5) == (7, True)
    assert open_model(str(tiny)).fingerprint == model.fingerprint


@pytest.mark.train
def test_weights_that_are_placed_by_device_answer_alike(tiny, monkeypatch):
    """As on a machine with CUDA, but for the devices."""
    pytest.importorskip("accelerate", reason="needs accelerate")
    import torch

    plain = open_model(str(tiny))
    placed = {"device_map": "auto", "dtype": torch.bfloat16}
    monkeypatch.setattr("affectome.language.in_process._placement", lambda: placed)
    model = open_model(str(tiny))
    assert model.fingerprint == f"{plain.fingerprint} in torch.bfloat16"
    tails = ["joy", "joy anger yes", "no"]
    assert model.score(HELLO, tails) == pytest.approx(plain.score(HELLO, tails), rel=0.02)
    assert model.answer(Ask(HELLO, max_tokens=5)).output_tokens <= 5


@pytest.mark.train
def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError) as caught:
        open_model(str(tmp_path))
    assert caught.value.code == "model_unusable"


@pytest.mark.train
def test_a_file_that_is_not_there_is_not_looked_for_on_a_hub(tmp_path):
    for path in (tmp_path / "model.gguf", tmp_path / "folder"):
        with pytest.raises(ModelError, match="There is no language model at"):
            open_model(str(path))


def chatting(text, status=200):
    def say(path, body):
        if path.endswith("/models"):
            return 200, {"object": "list", "data": [{"id": "small", "object": "model", "created": 0, "owned_by": "me"}]}
        if status != 200:
            return status, {"error": {"message": "no"}}
        message = {"role": "assistant", "content": text(body) if callable(text) else text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        return 200, {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "small",
            "choices": [choice],
            "usage": usage,
        }

    return say


@pytest.fixture
def connect():
    pytest.importorskip("openai", reason="needs the language extra")
    from affectome.language.server_model import ServerModel

    return lambda url, **options: ServerModel(url, **{"retries": 0, "timeout": 2.0, "key": "k"} | options)


def test_a_server_answers(server, connect):
    with server(chatting(lambda body: f"B, {body['messages'][0]['content']}, {body['seed']}")) as url:
        model = connect(url)
        reply = model.answer(Ask(HELLO, choices=("A", "B"), seed=5))
    assert (model.name, reply.choice, reply.text) == ("small", "B", "B, how are you, 5")
    assert (reply.input_tokens, reply.output_tokens) == (7, 2)


def test_an_object_is_asked_for_by_its_schema(server, connect):
    pytest.importorskip("jsonschema")
    schema = {"type": "object", "required": ["mood"]}
    seen = []
    with server(chatting(lambda body: seen.append(body) or '{"mood": "calm"}')) as url:
        assert connect(url).answer(Ask(HELLO, schema=schema)).value == {"mood": "calm"}
    assert seen[0]["response_format"]["json_schema"]["schema"] == schema


@pytest.mark.parametrize(
    ("status", "code"), [(401, "chat_refused"), (429, "chat_rate_limited"), (500, "chat_failed"), (404, "chat_refused")]
)
def test_errors_of_a_server_are_typed(server, connect, status, code):
    with server(chatting("", status)) as url, pytest.raises(ModelError) as caught:
        connect(url).answer(Ask(HELLO))
    assert caught.value.code == code


@pytest.mark.parametrize("content", [{"choices": []}, {}, b"<html>", b""])
def test_what_is_no_answer_is_typed(server, connect, content):
    def say(path, body):
        return chatting("")(path, body) if path.endswith("/models") else (200, content)

    with server(say) as url, pytest.raises(ModelError) as caught:
        connect(url).answer(Ask(HELLO))
    assert caught.value.code in ("chat_bad_reply", "chat_failed")


def test_a_slow_and_an_absent_server(server, connect):
    def slow(path, body):
        if not path.endswith("/models"):
            time.sleep(1)
        return chatting("late")(path, body)

    with server(slow) as url, pytest.raises(ModelError) as caught:
        connect(url, timeout=0.2).answer(Ask(HELLO))
    assert caught.value.code == "chat_timeout"
    with pytest.raises(ModelError) as caught:
        connect("http://127.0.0.1:9/v1")
    assert caught.value.code == "chat_unreachable"


def test_a_server_that_fails_once_is_asked_again(server, connect):
    times = []

    def say(path, body):
        times.append(path)
        return chatting("fine", 200 if len(times) > 1 else 503)(path, body)

    with server(say) as url:
        assert connect(url, retries=2, model="small").answer(Ask(HELLO)).text == "fine"
    assert len(times) == 2


def test_answers_are_remembered(tmp_path):
    counted = []
    model = ScriptedModel(lambda ask: counted.append(ask) or f"answer {len(counted)}")
    for _ in range(2):
        with RememberingModel(model, tmp_path / "a" / "answers.sqlite") as remembering:
            texts = [remembering.answer(Ask(HELLO, seed=seed)).text for seed in (1, 2, 1)]
            assert remembering.usage()["answers"] == 2
    assert texts == ["answer 1", "answer 2", "answer 1"]
    assert len(counted) == 2
    with RememberingModel(ScriptedModel(lambda _: "new", "other"), tmp_path / "a" / "answers.sqlite") as other:
        assert other.answer(Ask(HELLO, seed=1)).text == "new"
        assert other.scripted


def _ask_all(path):
    with RememberingModel(ScriptedModel(lambda ask: str(ask.seed)), path) as model:
        for seed in range(60):
            model.answer(Ask(HELLO, seed=seed))


def test_several_processes_share_the_answers(tmp_path):
    path = tmp_path / "answers.sqlite"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_ask_all, args=(path,)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with RememberingModel(ScriptedModel(lambda _: "never"), path) as model:
        assert [model.answer(Ask(HELLO, seed=seed)).text for seed in range(60)] == [str(seed) for seed in range(60)]
        assert model.asked == 0


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "answers.sqlite").write_text("hello " * 400)
    with pytest.raises(RunError) as caught:
        RememberingModel(ScriptedModel(str), tmp_path / "answers.sqlite")
    assert caught.value.code == "bad_answers"
    assert json.dumps(caught.value.as_dict())
