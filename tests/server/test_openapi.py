"""What the description promises holds for whatever fits it, and for much that does not: no answer is a server error."""

import pytest

pytest.importorskip("fastapi", reason="needs the serve extra")
pytest.importorskip("multipart", reason="needs the serve extra")
pytest.importorskip("prometheus_client", reason="needs the serve extra")
schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from affectome.server import ServerSettings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

OPERATIONS = [
    "DELETE /v1/jobs",
    "DELETE /v1/jobs/{job_id}",
    "GET /health",
    "GET /metrics",
    "GET /ready",
    "GET /v1/jobs",
    "GET /v1/jobs/{job_id}",
    "GET /v1/jobs/{job_id}/results",
    "GET /v1/models",
    "GET /v1/purposes",
    "GET /v1/taxonomies",
    "POST /v1/jobs",
    "POST /v1/jobs/{job_id}/cancel",
    "POST /v1/text",
]


@pytest.fixture(scope="module")
def described(tmp_path_factory, listening):
    limits = ServerSettings(
        folder=tmp_path_factory.mktemp("described"), body_megabytes=1, requests_a_minute=10**6, jobs_a_key=20
    )
    with listening(limits) as port:
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
        yield {each.ok().label: each.ok() for each in schema.get_all_operations()}


def test_every_operation_is_tried(described):
    assert sorted(described) == OPERATIONS


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_answer_is_a_server_error(described, operation):
    cases = described[operation].as_strategy()
    strange = described[operation].as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @settings(max_examples=20, suppress_health_check=list(HealthCheck), database=None)
    @given(st.one_of(cases, strange))
    def holds(case):
        checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
        case.call_and_validate(checks=checks)

    holds()
