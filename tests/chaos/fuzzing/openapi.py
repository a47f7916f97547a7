"""Requests that the API's own OpenAPI document allows or forbids, and what it promises of the answers."""

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

from tests.chaos.fuzzing.transport import Answer, Request
from tests.integration.shop import Json

Case = schemathesis.Case[Any]
# The webhook has campaigns of its own, and says nothing of its bodies in the document.
_LEFT_OUT = "/api/webhooks/"
_PROMISES: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Made by the client: they say nothing, or differ each time.
_NOT_SENT = {"x-schemathesis-testcaseid", "user-agent", "accept-encoding", "connection", "content-length"}


@dataclass(frozen=True, slots=True)
class Documented:
    """A request and the operation it was made for."""

    case: Case
    request: Request

    def broken_promises(self, answer: Answer) -> str:
        """Return in words what the document says otherwise, or nothing."""
        response = schemathesis.Response(
            answer.status,
            {name: [value] for name, value in answer.headers},
            answer.body,
            requests.Request(self.case.method, "http://localhost" + self.request.target.decode()).prepare(),
            elapsed=0.0,
            verify=False,
        )
        try:
            self.case.validate_response(response, checks=_PROMISES)
        except FailureGroup as group:
            return "; ".join(f"{failure.title}: {failure.message}" for failure in group.exceptions)
        return ""


def requests_of(document: Json, known: Mapping[str, Sequence[str]]) -> st.SearchStrategy[Documented]:
    """Return requests for every operation, valid and not; some name what is there, the `known` parameters."""
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    strategies = [
        operation.as_strategy(generation_mode=mode, feedback=NO_FEEDBACK)
        for operation in operations
        if not operation.path.startswith(_LEFT_OUT)
        # What has neither a body nor a query cannot be wrong.
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
    taken = {"method", "url", "headers", "params", "data", "json", "files", "cookies"}
    ready = requests.Request(**{name: value for name, value in options.items() if name in taken}).prepare()
    address = urlsplit(ready.url or "")
    target = address.path + (f"?{address.query}" if address.query else "")
    body = ready.body.encode() if isinstance(ready.body, str) else ready.body
    whole = body if isinstance(body, bytes) else b""
    return Request(case.method.encode(), target.encode(), tuple(_headers(ready)), whole)


def _headers(ready: requests.PreparedRequest) -> Iterator[tuple[bytes, bytes]]:
    for name, value in ready.headers.items():
        if name.lower() not in _NOT_SENT:
            plain = value if isinstance(value, bytes) else value.encode("latin-1", "replace")
            yield name.encode(), plain
