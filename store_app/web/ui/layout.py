"""The layout of every page: skip link, header, connection banner, notice, content, footer."""

from typing import Any

import reflex as rx
from reflex.style import color_mode, set_color_mode
from reflex_components_core.core.banner import has_connection_errors

from store_app import languages, routes
from store_app.brand import get_brand
from store_app.languages import gettext as _
from store_app.languages import marked
from store_app.routes import localized
from store_app.web.ui import icons
from store_app.web.ui.components import LINK, cover, link, plain_link, sentence, text_button
from store_app.web.ui.shell import ShellState

_WIDTH = "w-full max-w-7xl mx-auto px-4 sm:px-6"
_LINK = (
    "inline-flex items-center gap-2 whitespace-nowrap min-h-11 min-w-11 px-2 lg:px-3 rounded-[10px] text-text "
    "no-underline hover:bg-raised"
)
_NAV = f"{_LINK} flex-none justify-center"
# On a phone it takes what the others leave, so that no name and no font makes them wrap.
_BRAND = f"{_LINK} max-sm:flex-1 sm:flex-none"
_BANNER = "bg-wait text-bg text-center px-4 py-1 text-sm"
# In the two columns of a phone.
_WHOLE_LINE = "col-span-2 lg:col-span-1"
_THEMES = {"system": marked("System"), "dark": marked("Dark"), "light": marked("Light")}


def _search() -> rx.Component:
    """Return the search field; before the page's scripts run, the browser itself sends it."""
    return rx.el.form(
        rx.el.label(_("Search"), html_for="search", class_name="sr-only"),
        rx.el.input(
            # A changed key resets the field to the value from the address; otherwise it keeps what was typed.
            key="q" + ShellState.q,
            id="search",
            name="q",
            type="search",
            default_value=ShellState.q,
            placeholder=_("Search games and items"),
            max_length=100,
            class_name="grow min-w-0 min-h-11 pl-4 bg-transparent text-text placeholder:text-muted rounded-l-full",
        ),
        rx.el.button(
            icons.search(),
            type="submit",
            aria_label=_("Search"),
            class_name="inline-flex items-center justify-center min-h-11 w-12 rounded-r-full cursor-pointer",
        ),
        action=localized(routes.STORE),
        method="get",
        on_submit=ShellState.search,
        role="search",
        class_name="order-last sm:order-none basis-full sm:basis-40 grow max-w-xl sm:mx-auto flex items-center "
        "rounded-full bg-raised border border-edge mb-2 sm:mb-0",
    )


def _account_link() -> rx.Component:
    return rx.cond(
        ShellState.username != "",
        rx.el.a(
            rx.el.span(
                ShellState.initial,
                class_name="display primary flex items-center justify-center size-8 rounded-full",
            ),
            rx.el.span(ShellState.username, class_name="hidden xl:inline max-w-40 truncate"),
            href=localized(routes.ACCOUNT),
            class_name=_NAV,
            aria_label=sentence(_("Account of {name}"), name=ShellState.username),
            data_testid="account",
        ),
        rx.el.a(_("Sign in"), href=localized(routes.LOGIN), class_name=_NAV),
    )


def _cart_link() -> rx.Component:
    return rx.el.a(
        icons.bag(),
        rx.el.span(_("Cart"), class_name="sr-only lg:not-sr-only"),
        rx.cond(
            ShellState.cart_count > 0,
            rx.el.span(
                ShellState.cart_count,
                rx.el.span(" ", rx.cond(ShellState.cart_count == 1, _("item"), _("items")), class_name="sr-only"),
                # A changed key makes a new element, whose animation runs.
                key=ShellState.cart_count.to_string(),
                class_name="pop badge px-2 rounded-full text-sm font-semibold",
                data_testid="cart-count",
            ),
        ),
        href=localized(routes.CART),
        class_name=_NAV,
    )


def _header() -> rx.Component:
    return rx.el.header(
        rx.el.nav(
            rx.el.a(
                rx.el.img(src="/logo.svg", alt="", custom_attrs={"width": "28", "height": "28"}),
                rx.el.span(get_brand().name, class_name="display text-lg truncate max-[400px]:sr-only"),
                href=localized(routes.STORE),
                class_name=f"{_BRAND} -ml-2 lg:-ml-3",
            ),
            _search(),
            rx.el.a(
                icons.library(),
                rx.el.span(_("Library"), class_name="sr-only lg:not-sr-only"),
                href=localized(routes.LIBRARY),
                class_name=_NAV,
            ),
            _cart_link(),
            _account_link(),
            aria_label=_("Main"),
            class_name=f"{_WIDTH} flex flex-wrap sm:flex-nowrap items-center gap-x-1 lg:gap-x-2 min-h-14 "
            "sm:min-h-16",
        ),
        class_name="header no-print sm:sticky top-0 z-20",
    )


def _connection_banner() -> rx.Component:
    """Return the banner of a lost connection. Reflex's own would show the server's address."""
    return rx.el.div(
        rx.cond(
            has_connection_errors,
            rx.el.p(
                _("Reconnecting. What you see may be out of date. Your cart and orders are safe on the server."),
                class_name=_BANNER,
            ),
        ),
        # scripts/activity.js shows and hides these.
        rx.el.p(
            _("This is taking longer than usual. Your cart and orders are safe on the server."),
            id="store-slow",
            hidden=True,
            class_name=_BANNER,
        ),
        rx.el.p(_("The store is responding again."), id="store-back", hidden=True, class_name=_BANNER),
        rx.el.p(
            _("There is a new version of this page."),
            " ",
            rx.el.button(
                _("Reload"),
                type="button",
                on_click=rx.call_function("() => location.reload()"),
                class_name="underline cursor-pointer",
            ),
            id="store-new-version",
            hidden=True,
            class_name=_BANNER,
        ),
        role="status",
    )


def _notice() -> rx.Component:
    return rx.el.div(
        rx.cond(
            ShellState.notice != "",
            rx.el.div(
                rx.cond(
                    ShellState.notice_image != "",
                    cover(ShellState.notice_image, eager=True, classes="w-24 self-center rounded-lg"),
                ),
                rx.el.div(
                    rx.el.p(ShellState.notice, data_testid="notice"),
                    rx.el.div(
                        link(ShellState.notice_label, ShellState.notice_href),
                        text_button(_("Dismiss"), ShellState.dismiss_notice),
                        class_name="flex gap-4",
                    ),
                ),
                key=ShellState.notice_number.to_string(),
                class_name="notice panel pointer-events-auto p-4 flex gap-4",
            ),
        ),
        # Always in the page: screen readers announce what is added to an element that is there.
        role="status",
        class_name="no-print pointer-events-none fixed z-30 inset-x-4 top-16 sm:top-auto sm:left-auto "
        "sm:bottom-6 sm:right-6 sm:w-96",
    )


def _column(title: str, *content: rx.Component, classes: str = "") -> rx.Component:
    return rx.el.section(
        rx.el.h2(title, class_name="text-base mb-2"),
        *content,
        class_name=f"flex flex-col items-start gap-1 {classes}",
    )


def _theme_choice() -> rx.Component:
    return rx.el.div(
        *(
            rx.el.button(
                _(label),
                type="button",
                on_click=set_color_mode(theme),
                aria_pressed=color_mode == theme,
                class_name="min-h-9 px-3 rounded-full cursor-pointer hover:bg-raised aria-pressed:bg-raised "
                "aria-pressed:text-text",
            )
            for theme, label in _THEMES.items()
        ),
        role="group",
        aria_label=_("Theme"),
        class_name="flex flex-wrap -ml-3",
    )


def _language_choice() -> rx.Component:
    return rx.cond(
        ShellState.languages.length() > 1,
        _column(
            _("Language"),
            rx.el.ul(
                *(
                    rx.cond(ShellState.languages.contains(known), rx.el.li(_language_link(known)))
                    for known in languages.known()
                ),
                class_name="flex flex-wrap gap-x-4",
            ),
        ),
    )


def _language_link(language: str) -> rx.Component:
    """Return a link to the same page in another language, which the browser loads anew."""
    return plain_link(
        languages.name_of(language),
        f"{routes.LANGUAGE}{language}",
        lang=language,
        class_name=f"{LINK} aria-[current=true]:no-underline aria-[current=true]:text-text",
        custom_attrs={
            "hrefLang": language,
            **({"aria-current": "true"} if language == languages.current() else {}),
        },
    )


def _help() -> rx.Component:
    brand = get_brand()
    links = {
        _("Contact"): brand.support_link,
        _("Terms"): brand.terms,
        _("Privacy"): brand.privacy,
        _("Imprint"): brand.imprint,
    }
    return _column(
        _("Help"),
        link(_("Paid but nothing here?"), localized(routes.LIBRARY)),
        *(plain_link(label, address, class_name=LINK) for label, address in links.items() if address),
    )


def _footer() -> rx.Component:
    return rx.el.footer(
        rx.el.div(
            _column(
                get_brand().name,
                rx.el.p(_("Games and in-game items, in your library seconds after you pay.")),
                rx.el.p(
                    rx.cond(
                        ShellState.provider_name != "",
                        sentence(_("Payments by {provider}."), provider=ShellState.provider_name) + " ",
                        "",
                    ),
                    _("We never see your card."),
                ),
                classes=_WHOLE_LINE,
            ),
            _column(
                _("Shop"),
                link(_("All items"), localized(routes.STORE)),
                link(_("Newest"), localized(f"{routes.STORE}?sort=newest")),
            ),
            _column(
                _("You"),
                link(_("Library"), localized(routes.LIBRARY)),
                link(_("Your orders"), localized(routes.ACCOUNT)),
                link(_("Cart"), localized(routes.CART)),
            ),
            _help(),
            rx.el.div(
                _column(_("Theme"), _theme_choice()),
                _language_choice(),
                class_name=f"flex flex-col gap-6 {_WHOLE_LINE}",
            ),
            class_name=f"{_WIDTH} py-10 grid gap-8 grid-cols-2 lg:grid-cols-[2fr_1fr_1fr_1fr_1.4fr] text-sm "
            "text-muted",
        ),
        class_name="no-print mt-16 border-t border-line",
    )


def page(*children: rx.Component) -> rx.Component:
    """Return a page with this content."""
    return rx.el.div(
        plain_link(_("Skip to content"), "#content", class_name="skip"),
        _header(),
        _connection_banner(),
        _notice(),
        rx.el.main(*children, id="content", tab_index=-1, class_name=f"{_WIDTH} grow pt-4 pb-10"),
        _footer(),
        class_name="relative min-h-screen flex flex-col isolate",
    )


def heading(text: str | rx.Var, *, classes: str = "text-[26px] sm:text-[32px]", **props: Any) -> rx.Component:
    """Return the main heading of a page; there is one."""
    return rx.el.h1(text, class_name=classes, **props)


def narrow_column(*children: rx.Component) -> rx.Component:
    """Return a single column, for forms and receipts."""
    return rx.el.div(*children, class_name="max-w-2xl mx-auto flex flex-col gap-5")


def pay_at_provider() -> rx.Var[str]:
    """Return the sentence that says where the user pays."""
    return sentence(_("You pay on the payment page of {provider}."), provider=ShellState.provider_name)
