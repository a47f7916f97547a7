"""The quantity of an item in the cart, with the buttons that change it."""

from typing import Any

import reflex as rx

from store_app import routes
from store_app.languages import gettext as _
from store_app.routes import localized
from store_app.web.ui.components import SECONDARY, button, hidden, post_form, sentence
from store_app.web.ui.shell import ShellState


def stepper(
    sku: rx.Var[str],
    name: rx.Var[str],
    quantity: rx.Var[int],
    *,
    one_fewer: Any,
    one_more: Any,
    next_path: rx.Var[str] | None = None,
) -> rx.Component:
    """Return the quantity between its two buttons, which trigger the events `one_fewer` and `one_more`.

    For a visitor the buttons post forms instead, which lead to `next_path`, or to the cart if it is None.
    """

    def step(label: str, new_quantity: rx.Var[int], event: Any, described: rx.Var[str]) -> rx.Component:
        return rx.cond(
            ShellState.username != "",
            button(label, event, disabled=new_quantity < 1, aria_label=described),
            post_form(
                hidden("sku", sku),
                hidden("quantity", new_quantity),
                *([] if next_path is None else [hidden("next", next_path)]),
                rx.el.button(
                    label, type="submit", disabled=new_quantity < 1, aria_label=described, class_name=SECONDARY
                ),
                action=localized(routes.SET_QUANTITY),
            ),
        )

    return rx.el.div(
        step("-", quantity - 1, one_fewer, sentence(_("One fewer of {name}"), name=name)),
        rx.el.span(quantity, class_name="px-3", data_testid="quantity"),
        step("+", quantity + 1, one_more, sentence(_("One more of {name}"), name=name)),
        class_name="flex items-center",
    )
