"""Which weights answer? Bundles with their cards, checks before loading, the registry, and base models for training."""

from affectome.models.base_models import (
    BaseModel,
    HubSource,
    PypiSource,
    base_models,
    cache_folder,
    locate,
    pull,
    weights_file,
)
from affectome.models.bundle import Bundle, VerifyReport, verify
from affectome.models.card import BaseModelSource, Card, FileEntry, Metric, TrainingData, write_card
from affectome.models.registry import (
    InstalledModel,
    ModelList,
    ProviderProblem,
    default_model,
    find_model,
    list_models,
    model_folder,
    shipped_bundles,
)

__all__ = [
    "BaseModel",
    "BaseModelSource",
    "Bundle",
    "Card",
    "FileEntry",
    "HubSource",
    "InstalledModel",
    "Metric",
    "ModelList",
    "ProviderProblem",
    "PypiSource",
    "TrainingData",
    "VerifyReport",
    "base_models",
    "cache_folder",
    "default_model",
    "find_model",
    "list_models",
    "locate",
    "model_folder",
    "pull",
    "shipped_bundles",
    "verify",
    "weights_file",
    "write_card",
]
