"""What does it show? Segments to estimates."""

from affectome.perceive.estimates import estimates_schema
from affectome.perceive.noisy_text import PostCleaner
from affectome.perceive.prosody import ProsodyFeature, measure_prosody, prosody_features
from affectome.perceive.readers import Readers
from affectome.perceive.text import Contribution, TextReader
from affectome.perceive.voice import VoiceReader

__all__ = [
    "Contribution",
    "PostCleaner",
    "ProsodyFeature",
    "Readers",
    "TextReader",
    "VoiceReader",
    "estimates_schema",
    "measure_prosody",
    "prosody_features",
]
