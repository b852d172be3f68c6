"""What does it show? Segments to estimates."""

from affectome.perceive.estimates import estimates_schema
from affectome.perceive.text import Contribution, TextReader

__all__ = ["Contribution", "TextReader", "estimates_schema"]
