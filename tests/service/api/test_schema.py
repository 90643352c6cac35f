"""Whatever is sent to any route, within its description or outside, the answer is one that the description names.

schemathesis makes the requests from the description. Half of them go to things that are there, since a made-up id is
answered before anything else is read.
"""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portrait_studio.service.api import make_app
from portrait_studio.service.api.app import API, ROUTERS

from ..conftest import new_account
from .asking import browser_at_a_front, ids_of, program

EXAMPLES = 6
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
LAST = ("delete", "/account"), ("put", "/logins/current/password")
ROUTES = sorted(
    {(method.lower(), route.path) for router in ROUTERS for route in router.routes for method in route.methods},
    key=lambda one: (one in LAST, one[0] == "delete", one[1].count("{") < 1, one),
)
"""What removes something comes last, so that the others have something."""


@pytest.mark.timeout(240)
def test_whatever_is_sent_the_answer_is_one_of_the_description(studio, operator):
    app = make_app(studio)
    app.state.pace.count = 10**9
    client = program(app, studio, operator)
    ids = ids_of(client, studio)
    client.post(f"{API}/sessions/{ids['session']}/cancel")  # news of one that goes on would never end
    visitor = browser_at_a_front(app, studio, new_account(studio, "vera"))
    described = schemathesis.openapi.from_asgi(f"{API}/openapi.json", app)
    done = set()
    for method, path in ROUTES:
        headers = (visitor if path.startswith("/logins") else client).headers
        token = {name: headers[name] for name in ("authorization", "studio-login") if name in headers}
        answers = answers_to(described[API + path][method], token, ids)
        assert answers, (method, path)
        done |= {(method, path) for answer in answers if answer.status_code < 300}
    assert len(done) > len(ROUTES) * 2 // 3  # it does not only knock


def answers_to(operation, token: dict[str, str], ids: dict[str, str]) -> list:
    """Send what a strategy makes of an operation's description; return the answers, all of which were checked."""
    answers = []
    named = {one.name: ids[one.name] for one in operation.path_parameters}
    kinds = [operation.as_strategy(), operation.as_strategy(path_parameters=named)]
    if operation.body or operation.query:
        kinds.append(operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=named))

    @hypothesis.settings(max_examples=EXAMPLES, database=None, derandomize=True, deadline=None)
    @hypothesis.given(strategies.one_of(kinds))
    def ask(case):
        answers.append(case.call(headers=token))
        case.validate_response(answers[-1], checks=CHECKS)

    ask()
    return answers
