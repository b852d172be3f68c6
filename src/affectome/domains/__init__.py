"""Ready assemblies: labels for posts, tropes in what is said, and where a message goes that speaks of risk."""

from affectome.domains.discourse import LabelledPosts, PostLabeller, stemmed_words
from affectome.domains.tropes import Tropes, mine_tropes
from affectome.domains.wellbeing import RiskBand, RiskClass, RiskRouting, Route, load_risk_routing

__all__ = [
    "LabelledPosts",
    "PostLabeller",
    "RiskBand",
    "RiskClass",
    "RiskRouting",
    "Route",
    "Tropes",
    "load_risk_routing",
    "mine_tropes",
    "stemmed_words",
]
