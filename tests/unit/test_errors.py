"""Refusals: each has a sentence for users, and a code and a status (4xx or 503) for programs."""

import re

import pytest

from store_app import errors
from store_app.web.accounts.state import sentence_of

EXAMPLES = [
    errors.NotSignedIn(),
    errors.NotYours(),
    errors.NotFound("There is no such order."),
    errors.Invalid("quantity", "The quantity must be 1."),
    errors.TooManyTries(300),
    errors.Busy(),
    errors.TooManyOpenOrders(20),
    errors.WrongPassword(),
    errors.NameTaken(),
    errors.AlreadyOwned("Dragon Sword"),
    errors.InOpenOrder("Dragon Sword", "5f0c"),
    errors.OrderClosed(),
    errors.OrderNotPayable("The price of Dragon Sword has changed."),
    errors.ProviderPriceDiffers(),
    errors.ProviderUnavailable(),
    errors.ProviderRefused(),
]
ABSTRACT = {errors.Refusal, errors.Conflict}


def _subclasses(kind: type[errors.Refusal]) -> set[type[errors.Refusal]]:
    # Those of other modules are of commands, and are only printed.
    ours = (child for child in kind.__subclasses__() if child.__module__ == errors.__name__)
    return {kind}.union(*map(_subclasses, ours))


def test_every_refusal_has_an_example_here() -> None:
    assert {type(example) for example in EXAMPLES} | ABSTRACT == _subclasses(errors.Refusal)


@pytest.mark.parametrize("refusal", EXAMPLES, ids=lambda refusal: type(refusal).__name__)
def test_a_refusal_is_a_sentence_with_a_code(refusal: errors.Refusal) -> None:
    assert re.fullmatch(r"[A-Z].*[.]", str(refusal))
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", refusal.code)
    assert 400 <= refusal.status < 500 or refusal.status == 503
    assert "_" not in str(refusal)


def test_every_refusal_has_its_own_code() -> None:
    codes = [kind.code for kind in _subclasses(errors.Refusal)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(("seconds", "ending"), [(1, "1 minute."), (60, "1 minute."), (300, "5 minutes.")])
def test_a_rate_limit_says_when_to_try_again(seconds: int, ending: str) -> None:
    assert str(errors.TooManyTries(seconds)).endswith(ending)


@pytest.mark.parametrize("refusal", EXAMPLES, ids=lambda refusal: type(refusal).__name__)
def test_exactly_the_refusals_with_status_401_ask_for_credentials(refusal: errors.Refusal) -> None:
    assert ("WWW-Authenticate" in refusal.headers) is (refusal.status == 401)


def test_refusals_have_their_own_headers_and_members() -> None:
    assert errors.Invalid("quantity", "The quantity must be 1.").members == {"field": "quantity"}
    assert errors.InOpenOrder("Dragon Sword", "5f0c").members == {"order_id": "5f0c"}
    assert errors.TooManyTries(300).headers == {"Retry-After": "300"}
    assert errors.NotYours().members == {}


def test_the_forms_have_a_text_for_every_refusal_they_can_get() -> None:
    for refusal in (errors.WrongPassword(), errors.Busy(), errors.NameTaken()):
        assert sentence_of(refusal.code) == str(refusal)
    for code in (errors.TooManyTries.code, "username", "password"):
        assert sentence_of(code).endswith(".")
    assert sentence_of("of somebody else") == ""
