"""Requests that the API's OpenAPI document allows or forbids, and whether the responses conform to it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.chaos.fuzzing.transport import Request, Response
from tests.integration.shop import Json

Case = schemathesis.Case[Any]
# The webhook has campaigns of its own, and the document does not describe its bodies.
_EXCLUDED_PATHS = "/api/webhooks/"
_CHECKS: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Headers that the HTTP client adds: they are meaningless, or differ each time.
_EXCLUDED_HEADERS = {"x-schemathesis-testcaseid", "user-agent", "accept-encoding", "connection", "content-length"}


@dataclass(frozen=True, slots=True)
class Documented:
    """A request and the operation of the document that it was made for."""

    case: Case
    request: Request

    def nonconformity(self, response: Response) -> str:
        """Return how a response contradicts the document, or an empty string."""
        converted = schemathesis.Response(
            response.status,
            {name: [value] for name, value in response.headers},
            response.body,
            requests.Request(self.case.method, "http://localhost" + self.request.target.decode()).prepare(),
            elapsed=0.0,
            verify=False,
        )
        try:
            self.case.validate_response(converted, checks=_CHECKS)
        except FailureGroup as group:
            return "; ".join(f"{failure.title}: {failure.message}" for failure in group.exceptions)
        return ""


def documented_requests(document: Json, known: Mapping[str, Sequence[str]]) -> st.SearchStrategy[Documented]:
    """Draw valid and invalid requests for every operation; some use `known` parameters, which the store has."""
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    strategies = [
        operation.as_strategy(generation_mode=mode, feedback=NO_FEEDBACK)
        for operation in operations
        if not operation.path.startswith(_EXCLUDED_PATHS)
        # An operation without a body and a query has no invalid requests.
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or operation.body or operation.query
    ]
    return _with_known(st.one_of(strategies), known)


@st.composite
def _with_known(draw: st.DrawFn, cases: st.SearchStrategy[Case], known: Mapping[str, Sequence[str]]) -> Documented:
    case = draw(cases)
    for name in case.path_parameters or {}:
        if name in known and draw(st.booleans()):
            case.path_parameters[name] = draw(st.sampled_from(known[name]))
    if isinstance(case.body, dict) and case.body.get("items") and draw(st.booleans()):
        case.body["items"] = [{"sku": draw(st.sampled_from(known["sku"])), "quantity": draw(st.integers(-1, 3))}]
    return Documented(case, _request(case))


def _request(case: Case) -> Request:
    options = case.as_transport_kwargs(base_url="http://localhost")
    arguments = {"method", "url", "headers", "params", "data", "json", "files", "cookies"}
    prepared = requests.Request(**{name: value for name, value in options.items() if name in arguments}).prepare()
    url = urlsplit(prepared.url or "")
    target = url.path + (f"?{url.query}" if url.query else "")
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
    content = body if isinstance(body, bytes) else b""
    return Request(case.method.encode(), target.encode(), tuple(_headers(prepared)), content)


def _headers(prepared: requests.PreparedRequest) -> Iterator[tuple[bytes, bytes]]:
    for name, value in prepared.headers.items():
        if name.lower() not in _EXCLUDED_HEADERS:
            encoded = value if isinstance(value, bytes) else value.encode("latin-1", "replace")
            yield name.encode(), encoded
