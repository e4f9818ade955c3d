"""Requests that schemathesis makes of the OpenAPI document, valid and invalid ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

#: No fault of the server, and no answer that the document does not describe.
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]


def send_made_up_requests(url: str, *, cases: int, seed: int) -> Counter[str]:
    """Send requests to every operation of a server.

    Args:
        url: address of the server.
        cases: requests for each operation, half of them valid.
        seed: of the requests.
    Returns:
        number of answers by operation and status.
    Raises:
        Exception: an answer fails a check; schemathesis shows the shortest such request.
    """
    schema, counts, session = schemathesis.openapi.from_url(f"{url}/openapi.json"), Counter(), requests.Session()
    settings = hypothesis.settings(
        max_examples=cases, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )

    def send(case: Any) -> None:
        answer = case.call(session=session)
        counts[f"{case.operation.label} {answer.status_code}"] += 1
        case.validate_response(answer, checks=CHECKS)

    for found in schema.get_all_operations():
        operation = found.ok()
        made_up = strategies.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])
        hypothesis.seed(seed)(settings(hypothesis.given(made_up)(send)))()
    return counts
