"""The box "Paid but nothing here? Check my payments": a mixin for States, and the component for their pages."""

import reflex as rx
from reflex.event import EventSpec

from store_app.checkout import reconcile
from store_app.errors import Refusal
from store_app.languages import gettext as _
from store_app.web.ui.components import button, problem
from store_app.web.ui.session import RefusalMixin


class PaymentCheckMixin(RefusalMixin, mixin=True):
    """Mixin for States whose page can ask the payment provider about the user's open orders."""

    # What the payment provider answered about each order, in words.
    steps: list[str] = []  # noqa: RUF012 - Reflex copies the default for each state
    asking: bool = False

    @rx.event(background=True)
    async def check_payments(self) -> EventSpec | None:
        """Ask about the user's open orders. A payment that is found has the effect of a notification."""
        async with self:
            self.problem, self.steps, self.asking = "", [], True
        try:
            steps = await reconcile.check_payments(await self._require_user())
        except Refusal as refusal:
            async with self:
                self.asking = False
                return self._show_refusal(refusal)
        async with self:
            self.steps, self.asking = steps, False
        return None


def check_payments_box(state: type[PaymentCheckMixin]) -> rx.Component:
    """Return the box with the button and, after a click, the result for each order."""
    return rx.el.section(
        rx.el.h2(_("Paid but nothing here?"), class_name="font-semibold"),
        button(
            rx.cond(state.asking, _("Checking ..."), _("Check my payments")),
            state.check_payments,
            disabled=state.asking,
            data_testid="check-payments",
        ),
        rx.el.div(
            rx.foreach(state.steps, rx.el.p),
            problem(state),
            role="status",
            data_testid="check-steps",
        ),
        aria_label=_("Check my payments"),
        class_name="no-print flex flex-col items-start gap-2 mt-4",
    )
