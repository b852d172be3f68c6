"""What an affect is: taxonomies and mappings between them, label distributions and rating scales."""

from affectome.affect.action_units import (
    ActionUnit,
    FacialExpression,
    action_unit,
    list_action_units,
    list_facial_expressions,
    strength_grade,
)
from affectome.affect.dawid_skene import DawidSkene
from affectome.affect.distributions import LabelDistribution, label_entropy
from affectome.affect.gaussians import EmotionGaussians, Fusion, Sample
from affectome.affect.mapping import Mapping, map_labels
from affectome.affect.raters import Ceiling, Consensus, VoteTable
from affectome.affect.scales import Scale, list_scales, load_scale
from affectome.affect.taxonomy import Taxonomy, forms_of_words, list_taxonomies, load_taxonomy
from affectome.affect.terms import load_term_gaussians

__all__ = [
    "ActionUnit",
    "Ceiling",
    "Consensus",
    "DawidSkene",
    "EmotionGaussians",
    "FacialExpression",
    "Fusion",
    "LabelDistribution",
    "Mapping",
    "Sample",
    "Scale",
    "Taxonomy",
    "VoteTable",
    "action_unit",
    "forms_of_words",
    "label_entropy",
    "list_action_units",
    "list_facial_expressions",
    "list_scales",
    "list_taxonomies",
    "load_scale",
    "load_taxonomy",
    "load_term_gaussians",
    "map_labels",
    "strength_grade",
]
