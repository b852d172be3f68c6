"""A model of a few thousand weights, and a server that speaks as little of the protocol as a client needs."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

WORDS = ("<pad> <eos> <unk> a b c joy anger yes no how are you fine user assistant : .").split()  # noqa: SIM905


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A folder with a random language model in Hugging Face layout."""
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny")
    words = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(WORDS), num_key_value_heads=1, eos_token_id=1, pad_token_id=0, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def server():
    """Starts a server on loopback; its answers are what a function gives for a path and a body."""

    @contextmanager
    def start(say):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self._give({})

            def do_POST(self):
                self._give(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _give(self, body):
                status, content = say(self.path, body)
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/v1"
        finally:
            running.shutdown()
            running.server_close()

    return start
