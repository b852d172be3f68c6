"""What do language models do with it? Asking models, reading their answers, and what they are asked."""

from affectome.language.chat import Ask, ChatModel, Message, Reply, ScoringModel, read_reply
from affectome.language.mood import MoodAgent, MoodTurn, mood_prompt
from affectome.language.opening import open_model
from affectome.language.remembered import RememberingModel
from affectome.language.scripted import ScriptedModel

__all__ = [
    "Ask",
    "ChatModel",
    "Message",
    "MoodAgent",
    "MoodTurn",
    "RememberingModel",
    "Reply",
    "ScoringModel",
    "ScriptedModel",
    "mood_prompt",
    "open_model",
    "read_reply",
]
