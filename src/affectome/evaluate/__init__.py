"""How good is it? Metrics with counts of what was not scored, intervals, tests, thresholds, slices and baselines."""

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
    multilabel_f1,
    multilabel_per_class,
    per_class,
    uar,
)
from affectome.evaluate.divergence import brier, emd, js, kl, rps
from affectome.evaluate.inputs import Score
from affectome.evaluate.intervals import Interval, bootstrap, bootstrap_mean, paired_bootstrap
from affectome.evaluate.ranking import auc, average_precision, hit_at_k
from affectome.evaluate.regression import ccc, mae, pearson, r2, rmse, spearman
from affectome.evaluate.significance import McNemar, Permutation, mcnemar, permutation_test
from affectome.evaluate.slices import Slice, Slices, slice_scores
from affectome.evaluate.thresholds import Thresholds, choose_thresholds

__all__ = [
    "ClassScore",
    "ErrorBalance",
    "Hits",
    "Interval",
    "McNemar",
    "Permutation",
    "Reliability",
    "Score",
    "Slice",
    "Slices",
    "Thresholds",
    "accuracy",
    "apply_thresholds",
    "auc",
    "average_precision",
    "bootstrap",
    "bootstrap_mean",
    "brier",
    "ccc",
    "choose_thresholds",
    "ece",
    "emd",
    "error_balance",
    "f1",
    "hit_at_k",
    "hits",
    "js",
    "kl",
    "mae",
    "mcnemar",
    "multilabel_f1",
    "multilabel_per_class",
    "paired_bootstrap",
    "pearson",
    "per_class",
    "permutation_test",
    "predict_majority",
    "predict_mean",
    "predict_prior",
    "r2",
    "reliability",
    "rmse",
    "rps",
    "slice_scores",
    "spearman",
    "uar",
]
