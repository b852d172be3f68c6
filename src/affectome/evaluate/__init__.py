"""How good is it? Metrics with counts of what was not scored, intervals, tests, thresholds, slices, splits, guards."""

from affectome.evaluate.agreement import RaterAgreement, kappa, rater_against_rest, rater_agreement
from affectome.evaluate.assessment import Assessment, CurvePoint, GroupScore, WorstError, assess
from affectome.evaluate.baselines import predict_majority, predict_mean, predict_prior
from affectome.evaluate.calibration import Reliability, ece, reliability
from affectome.evaluate.classification import (
    ClassScore,
    ErrorBalance,
    Hits,
    accuracy,
    apply_thresholds,
    error_balance,
    f1,
    hits,
    jaccard,
    multilabel_f1,
    multilabel_per_class,
    per_class,
    uar,
)
from affectome.evaluate.divergence import brier, emd, js, kl, rps
from affectome.evaluate.duplicates import near_duplicates
from affectome.evaluate.guards import Part, Shortcut, assert_disjoint, audit_shortcuts
from affectome.evaluate.inputs import Score
from affectome.evaluate.intervals import Interval, SeedScores, bootstrap, bootstrap_mean, over_seeds, paired_bootstrap
from affectome.evaluate.labelled import LabelKind, LabelledTable, label_kind, read_labelled
from affectome.evaluate.ordinal import quadratic_kappa, within_one
from affectome.evaluate.quantification import Prevalence, prevalence, prevalence_change
from affectome.evaluate.ranking import alert_rate_at_recall, auc, average_precision, hit_at_k, recall_at_alert_rate
from affectome.evaluate.regression import (
    ap_document,
    ap_emotion,
    ccc,
    mae,
    pearson,
    r2,
    rmse,
    spearman,
)
from affectome.evaluate.scoring import Predictor, ScoreRow, score_rows
from affectome.evaluate.significance import McNemar, Permutation, mcnemar, permutation_test
from affectome.evaluate.slices import Slice, Slices, slice_scores
from affectome.evaluate.splits import Fold, Split, folds, split_rows
from affectome.evaluate.thresholds import Thresholds, choose_thresholds, decide_across_folds
from affectome.evaluate.vault import Vault

__all__ = [
    "Assessment",
    "ClassScore",
    "CurvePoint",
    "ErrorBalance",
    "Fold",
    "GroupScore",
    "Hits",
    "Interval",
    "LabelKind",
    "LabelledTable",
    "McNemar",
    "Part",
    "Permutation",
    "Predictor",
    "Prevalence",
    "RaterAgreement",
    "Reliability",
    "Score",
    "ScoreRow",
    "SeedScores",
    "Shortcut",
    "Slice",
    "Slices",
    "Split",
    "Thresholds",
    "Vault",
    "WorstError",
    "accuracy",
    "alert_rate_at_recall",
    "ap_document",
    "ap_emotion",
    "apply_thresholds",
    "assert_disjoint",
    "assess",
    "auc",
    "audit_shortcuts",
    "average_precision",
    "bootstrap",
    "bootstrap_mean",
    "brier",
    "ccc",
    "choose_thresholds",
    "decide_across_folds",
    "ece",
    "emd",
    "error_balance",
    "f1",
    "folds",
    "hit_at_k",
    "hits",
    "jaccard",
    "js",
    "kappa",
    "kl",
    "label_kind",
    "mae",
    "mcnemar",
    "multilabel_f1",
    "multilabel_per_class",
    "near_duplicates",
    "over_seeds",
    "paired_bootstrap",
    "pearson",
    "per_class",
    "permutation_test",
    "predict_majority",
    "predict_mean",
    "predict_prior",
    "prevalence",
    "prevalence_change",
    "quadratic_kappa",
    "r2",
    "rater_against_rest",
    "rater_agreement",
    "read_labelled",
    "recall_at_alert_rate",
    "reliability",
    "rmse",
    "rps",
    "score_rows",
    "slice_scores",
    "spearman",
    "split_rows",
    "uar",
    "within_one",
]
