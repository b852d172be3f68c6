"""Does each published system work here? One file a study, the harness that runs them, and the results that count.

A study is a module ``s<number>_<name>.py`` with a `Study` named ``STUDY``. It imports what is heavy only when it runs.
"""

from affectome.studies.registry import (
    COMMITTED,
    State,
    System,
    committed_result,
    find_studies,
    find_study,
    list_systems,
    system_state,
)
from affectome.studies.results import Digest, Result, load_result, write_result
from affectome.studies.running import StudySettings, check_needs, run_study
from affectome.studies.study import Claim, Context, Outcome, Row, Study, Table, show_value

__all__ = [
    "COMMITTED",
    "Claim",
    "Context",
    "Digest",
    "Outcome",
    "Result",
    "Row",
    "State",
    "Study",
    "StudySettings",
    "System",
    "Table",
    "check_needs",
    "committed_result",
    "find_studies",
    "find_study",
    "list_systems",
    "load_result",
    "run_study",
    "show_value",
    "system_state",
    "write_result",
]
