"""Hypothesis strategies for malformed input: bytes, JSON that no library writes, headers, wrong signatures."""

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from tests.chaos.fuzzing.transport import Headers
from tests.integration.shop import SECRET, Json, sign

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class RawJson:
    """Text that is put into JSON unchanged: numbers that Python does not write, and invalid JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class DuplicateKey:
    """Two values under the same key of an object."""

    first: Any
    second: Any


T = TypeVar("T")


def one_of_rows(rows: Sequence[T]) -> st.SearchStrategy[T]:
    """Draw one of the rows by its index, so that the draws of a seed do not depend on the rows' random ids."""
    return st.integers(0, len(rows) - 1).map(lambda index: rows[index])


# --- JSON


def write(value: Any) -> bytes:
    """Write JSON, with lone surrogates as escapes."""
    return _json_text(value).encode()


def _json_text(value: Any) -> str:
    match value:
        case RawJson():
            return value.text
        case DuplicateKey():
            # Only a member of an object can be duplicated.
            return _json_text(value.second)
        case dict():
            return "{" + ",".join(_members(value)) + "}"
        case list():
            return "[" + ",".join(_json_text(one) for one in value) + "]"
        case _:
            return json.dumps(value)


def _members(value: Json) -> Iterator[str]:
    for name, member in value.items():
        for one in (member.first, member.second) if isinstance(member, DuplicateKey) else (member,):
            yield f"{json.dumps(name)}:{_json_text(one)}"


def _deep(levels: int) -> RawJson:
    return RawJson("[" * levels + "]" * levels)


UNUSUAL_NUMBERS = [
    *(
        RawJson(text)
        for text in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "-0", "1E2", "0.1e1")
    ),
    *(RawJson(text) for text in ("9" * 400, "-" + "9" * 5_000, "01", "+1", "1.", ".5", "0x10", "1_000")),
    *(0, -1, 1, 0.5, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**64, 1.005, 1e308),
]
UNUSUAL_TEXTS = [
    *("", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\n", "\r\n", "\u2028", "\u202e", "\ufeff"),
    *(
        "null",
        "None",
        "true",
        "NaN",
        "-0",
        "1e400",
        "1_99",
        "１.９９",
        " 1.99 ",
        "1.99\x00",
        "1,99",
        "$1.99",
        "0x1",
    ),
    *("' OR 1=1 --", "<script>", "=HYPERLINK()", "%_%", "../../etc/passwd", "é" * 40, "x" * 65, "9" * 65),
]
_long_texts = st.builds(lambda text, times: text * times, st.sampled_from("x\x00é9"), st.integers(100, 20_000))
texts = st.one_of(
    st.sampled_from(UNUSUAL_TEXTS),
    st.text(st.characters(codec=None), max_size=20),
    st.text("0123456789.-+eE_", max_size=12),
)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(UNUSUAL_NUMBERS),
    st.integers(),
    st.floats(),
    texts,
)
_nested_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
values = st.one_of(
    _scalars,
    _scalars,
    _nested_values,
    _long_texts,
    st.sampled_from([[], {}, _deep(50), _deep(5_000), _deep(50_000)]),
)
any_json = st.dictionaries(
    st.sampled_from(["notification_type", "order", "user", "settings", "transaction", "x"]), values, max_size=4
).map(write) | values.map(write)


# --- changes to valid JSON


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the paths of everything in a value, each container before its members."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        yield (*path, name)
        yield from paths(member, (*path, name))


def at(value: Any, path: Path) -> Any:
    """Return the value at a path, or None when there is none."""
    for name in path:
        if not isinstance(value, (dict, list)) or name not in (
            value if isinstance(value, dict) else range(len(value))
        ):
            return None
        value = value[name]  # type: ignore[index, call-overload, unused-ignore]
    return value


def replace(value: Json, path: Path, change: Callable[[Any], Any]) -> None:
    """Replace the value at a path, if its container still exists."""
    holder = at(value, path[:-1])
    if isinstance(holder, dict):
        holder[str(path[-1])] = change(holder.get(str(path[-1])))
    elif isinstance(holder, list) and at(holder, path[-1:]) is not None:
        holder[int(path[-1])] = change(holder[int(path[-1])])


def remove(value: Json, path: Path) -> None:
    """Remove the value at a path from its object."""
    holder = at(value, path[:-1])
    if isinstance(holder, dict):
        holder.pop(str(path[-1]), None)


@st.composite
def mutated_json(draw: st.DrawFn, originals: Sequence[Json], max_changes: int = 4) -> Json:
    """Draw an original with some of its values removed, replaced, duplicated, wrapped or renamed."""
    value = copy.deepcopy(draw(one_of_rows(originals)))
    for _ in range(draw(st.integers(0, max_changes))):
        found = list(paths(value))
        if not found:
            break
        _mutate(draw, value, draw(one_of_rows(found)))
    return value


def _mutate(draw: st.DrawFn, value: Json, path: Path) -> None:
    match draw(st.sampled_from(["replace", "replace", "remove", "duplicate", "wrap", "as text", "rename"])):
        case "replace":
            new = draw(values)
            replace(value, path, lambda _: new)
        case "remove":
            remove(value, path)
        case "duplicate":
            other = draw(values)
            replace(value, path, lambda old: DuplicateKey(other, old) if isinstance(path[-1], str) else old)
        case "wrap":
            replace(value, path, lambda old: [old])
        case "as text":
            replace(value, path, _json_text)
        case _:
            old = at(value, path)
            remove(value, path)
            replace(value, (*path[:-1], str(path[-1]).upper()), lambda _: old)


@st.composite
def corrupted(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """Draw a body and sometimes cut off its end, or put unusual bytes somewhere."""
    body = draw(bodies)
    if draw(st.integers(0, 9)):
        return body
    position = draw(st.integers(0, max(0, len(body) - 1)))
    unusual = draw(
        st.sampled_from([b"", b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"', b"}", b"{", b","])
    )
    return body[:position] + unusual + (body[position + 1 :] if draw(st.booleans()) else b"")


raw_bodies = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"", b"{", b"[]", b"{}", b"null", b'""', b"0", b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00"]),
    st.builds(
        lambda byte, times: byte * times, st.sampled_from([b"x", b"[", b"\x00", b"{"]), st.integers(1, 300_000)
    ),
    any_json,
)


# --- headers

_any_bytes = st.binary(max_size=40)
_latin1_bytes = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f", exclude_categories=()),
    max_size=40,
).map(lambda text: re.sub(r"[\x80-\x9f]", "\x85", text).strip().encode("latin-1"))
_wrong_hex = st.text("0123456789abcdefABCDEF", min_size=38, max_size=42).map(str.encode)
_signatures_of_other_bytes = st.binary(max_size=20).map(lambda more: sign(more + b"."))
_long_signatures = st.integers(1_000, 60_000).map(lambda size: b"Signature " + b"a" * size)
_fixed_values = st.sampled_from(
    [
        *(b"", b"Signature", b"Signature ", b"signature " + b"0" * 40, b"Signature " + b"0" * 40),
        *(b"Basic YTpi", b"Bearer x", "Signature é".encode(), b"Signature \xff\xfe" + b"0" * 38, b"\x85", b"\xa0"),
        *(b"a\tb", b"a\x0bb", b"a\x0cb", b"a\x00b", b"a\rb", b"a\r\n b", b"\xe2\x80\xa8", b"Signature %0d%0a"),
        *(b"Signature " + "\u0663".encode() * 40, b"null", b"Signature " + b"0" * 400_000),
    ]
)


def _almost_signed(body: bytes) -> list[Headers]:
    """Return headers that differ slightly from the valid signature of a body."""
    valid, name = sign(body), b"Authorization"
    digits = valid.removeprefix(b"Signature ")
    without_secret = hashlib.sha1(body).hexdigest().encode()  # noqa: S324 - Xsolla's algorithm
    secret_first = hashlib.sha1(SECRET.encode() + body).hexdigest().encode()  # noqa: S324 - Xsolla's algorithm
    single = [
        *(valid[:-1], valid + b"0", digits, valid.upper(), b"Signature " + digits.upper()),
        *(b"Signature  " + digits, valid + b", " + valid, valid + b" " + valid, b"Bearer " + digits),
        *(
            b"Signature " + without_secret,
            b"Signature " + secret_first,
            sign(body + b" "),
            sign(body, "another"),
            valid + b"\xa0",
        ),
    ]
    return [
        *(((name, value),) for value in single if value != valid),
        *(((name, valid), (name.lower(), valid)), ((name, b"x"), (name, valid)), ((name, valid), (name, b""))),
        *(((b"Authorisation", valid),), ((b"X-Authorization", valid),), ((b"Proxy-Authorization", valid),)),
    ]


_other_headers = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Content-Type", b"X-Strange", b"X-Forwarded-For", b"Cookie", b"Accept", b"Content-Encoding"]
        ),
        st.one_of(
            _latin1_bytes,
            st.sampled_from([b"application/json", b"text/plain; charset=utf-7", b"gzip", b"", b"session=\xff"]),
        ),
    ),
    max_size=3,
).map(tuple)


@st.composite
def unsigned(draw: st.DrawFn, body: bytes) -> Headers:
    """Draw headers without a valid signature of the body."""
    authorization = draw(
        st.one_of(
            st.just(()),
            one_of_rows(_almost_signed(body)),
            st.one_of(
                _fixed_values,
                _latin1_bytes,
                _any_bytes,
                _wrong_hex,
                _long_signatures,
                _signatures_of_other_bytes,
            ).map(lambda value: ((b"Authorization", value),)),
        )
    )
    return (*authorization, *draw(_other_headers))


def signed(body: bytes) -> st.SearchStrategy[Headers]:
    """Draw headers with the valid signature of the body, and others."""
    return _other_headers.map(lambda headers: ((b"Authorization", sign(body)), *headers))


unusual_headers = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *(
                    b"Content-Type",
                    b"Cookie",
                    b"Accept",
                    b"Idempotency-Key",
                    b"X-Forwarded-For",
                    b"Range",
                    b"Expect",
                ),
                *(
                    b"If-None-Match",
                    b"Accept-Encoding",
                    b"Referer",
                    b"User-Agent",
                    b"X-HTTP-Method-Override",
                    b"Host",
                ),
                *(b"Origin", b"Content-Encoding", b"Transfer-Encoding", b"Upgrade", b"TE", b"Forwarded", b"Link"),
            ]
        ),
        st.one_of(_latin1_bytes, _latin1_bytes, _any_bytes, st.integers(0, 20_000).map(lambda size: b"x" * size)),
    ),
    max_size=4,
).map(tuple)
