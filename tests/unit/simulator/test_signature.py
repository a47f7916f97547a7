"""The provider's signature, with the provider's own test vector."""

from simulator.delivery.sender import sign


def test_the_signature_is_the_one_of_the_test_vector() -> None:
    body = b'{"notification_type":"user_validation","user":{"id":"42"}}'
    assert sign(body, "test_secret") == "Signature 398d8b29556060edcfae9bd8aa9bb9369861bd39"
