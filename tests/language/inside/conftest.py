"""Small models with random weights, one of each family."""

import pytest

_SIZES = {"vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4}
_GATED = {"intermediate_size": 48, "num_key_value_heads": 2, "max_position_embeddings": 64}


def _config(family):
    import transformers

    if family == "gpt2":
        return transformers.GPT2Config(vocab_size=40, n_embd=24, n_layer=3, n_head=4, n_positions=64)
    if family == "gemma2":  # norms on both sides of a sub-layer, heads that are wider than the stream's share
        return transformers.Gemma2Config(**_SIZES, **_GATED, head_dim=8, layer_types=["full_attention"] * 3)
    return {
        "llama": transformers.LlamaConfig,
        "qwen2": transformers.Qwen2Config,
        "gemma": lambda **sizes: transformers.GemmaConfig(**sizes, head_dim=8),
    }[family](**_SIZES, **_GATED)


@pytest.fixture(params=["llama", "qwen2", "gemma", "gemma2", "gpt2"])
def model(request):
    torch = pytest.importorskip("torch", reason="needs the train extra")
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    found = AutoModelForCausalLM.from_config(_config(request.param)).float().eval()
    for weight in found.parameters():  # far enough from the start of training that everything has an effect
        torch.nn.init.normal_(weight, std=0.2)
    return found


@pytest.fixture(scope="session")
def language_model(tiny):
    pytest.importorskip("torch", reason="needs the train extra")
    from affectome.language.in_process import InProcessModel

    return InProcessModel(tiny)
