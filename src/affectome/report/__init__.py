"""How is it shown? A table of estimates, or what is known of a reader, as one page to read and to show around."""

from affectome.report.evaluation import EvaluationRun, write_evaluation
from affectome.report.page import RunInfo, write_report

__all__ = ["EvaluationRun", "RunInfo", "write_evaluation", "write_report"]
