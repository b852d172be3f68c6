"""Ready assemblies: labels for posts, tropes, severity of distress, and where a message goes that speaks of risk."""

from affectome.domains.discourse import LabelledPosts, PostLabeller, stemmed_words
from affectome.domains.questionnaires import Questionnaire, load_questionnaire
from affectome.domains.severity import (
    DecisionCurve,
    GradeInterval,
    SeverityReader,
    decision_curve,
    fit_severity,
    grade_interval,
)
from affectome.domains.tropes import Tropes, mine_tropes
from affectome.domains.wellbeing import RiskBand, RiskClass, RiskRouting, Route, load_risk_routing

__all__ = [
    "DecisionCurve",
    "GradeInterval",
    "LabelledPosts",
    "PostLabeller",
    "Questionnaire",
    "RiskBand",
    "RiskClass",
    "RiskRouting",
    "Route",
    "SeverityReader",
    "Tropes",
    "decision_curve",
    "fit_severity",
    "grade_interval",
    "load_questionnaire",
    "load_risk_routing",
    "mine_tropes",
    "stemmed_words",
]
