"""What does it show? Segments to estimates."""

from affectome.perceive.estimates import estimates_schema
from affectome.perceive.noisy_text import PostCleaner
from affectome.perceive.text import Contribution, TextReader

__all__ = ["Contribution", "PostCleaner", "TextReader", "estimates_schema"]
