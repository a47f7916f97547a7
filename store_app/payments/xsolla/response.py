"""The responses to Xsolla: outcomes translated to its statuses and error codes (Xsolla, "Webhooks")."""

from store_app.payments.provider import Outcome, RefusalReason, Response

# Xsolla does not retry after a 400; it retries after a 5xx.
_ERRORS = {
    RefusalReason.BAD_SIGNATURE: (400, "INVALID_SIGNATURE"),
    RefusalReason.MALFORMED: (400, "INVALID_PARAMETER"),
    RefusalReason.TOO_LARGE: (413, "INVALID_PARAMETER"),
    RefusalReason.OTHER_PROJECT: (400, "INVALID_PARAMETER"),
    RefusalReason.UNKNOWN_USER: (400, "INVALID_USER"),
    RefusalReason.OTHER_USER: (400, "INVALID_USER"),
    RefusalReason.WRONG_AMOUNT: (400, "INCORRECT_AMOUNT"),
    RefusalReason.UNAVAILABLE: (503, "TEMPORARY_FAULT"),
    RefusalReason.INTERNAL_ERROR: (500, "SERVER_ERROR"),
}
# What is wrong with a payment is answered to `order_paid` only: a 400 to `payment` would not give the user the
# money back. It is recorded and flagged instead.
_ABOUT_PAYMENTS = {RefusalReason.OTHER_USER, RefusalReason.WRONG_AMOUNT}


def respond(outcome: Outcome) -> Response:
    """Return the response to a notification: 204, a user's id, or an error."""
    if outcome.user_id:
        return Response(200, {"user": {"id": outcome.user_id}})
    silent = outcome.refusal in _ABOUT_PAYMENTS and outcome.notification_type != "order_paid"
    if outcome.refusal is None or silent:
        return Response(204)
    status, code = _ERRORS[outcome.refusal]
    return Response(status, {"error": {"code": code, "message": outcome.reason}})
