"""Ready assemblies: labels for posts, tropes, severity of distress, risk, emotional boundaries and support."""

from affectome.domains.boundaries import (
    BoundaryPrompt,
    BoundaryReading,
    boundary_policies,
    boundary_prompts,
    read_boundaries,
)
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
from affectome.domains.support import (
    PreferenceBias,
    StrategyPlanner,
    SupportTurn,
    ask_for_strategy,
    load_support_strategies,
    preference_bias,
)
from affectome.domains.tropes import Tropes, mine_tropes
from affectome.domains.wellbeing import RiskBand, RiskClass, RiskRouting, Route, load_risk_routing

__all__ = [
    "BoundaryPrompt",
    "BoundaryReading",
    "DecisionCurve",
    "GradeInterval",
    "LabelledPosts",
    "PostLabeller",
    "PreferenceBias",
    "Questionnaire",
    "RiskBand",
    "RiskClass",
    "RiskRouting",
    "Route",
    "SeverityReader",
    "StrategyPlanner",
    "SupportTurn",
    "Tropes",
    "ask_for_strategy",
    "boundary_policies",
    "boundary_prompts",
    "decision_curve",
    "fit_severity",
    "grade_interval",
    "load_questionnaire",
    "load_risk_routing",
    "load_support_strategies",
    "mine_tropes",
    "preference_bias",
    "read_boundaries",
    "stemmed_words",
]
