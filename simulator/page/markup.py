"""Functions that return pieces of HTML; they escape all texts that they are given."""

from html import escape
from importlib.resources import files

from starlette.responses import HTMLResponse

STYLE = files(__package__).joinpath("style.css").read_text(encoding="utf-8")

_HEADERS = {
    "Cache-Control": "no-store",
    # There is no `form-action`, because Pay and Close redirect to the store, which is another origin.
    "Content-Security-Policy": ("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"),
    # The address contains the payment token, which must not be sent to the store as a referrer.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def page(title: str, content: str, *, status: int = 200, wide: bool = False) -> HTMLResponse:
    """Return a whole page, with a warning that no real money moves."""
    document = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{escape(title)} - payment simulator</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<p class="simulator">Payment simulator. No real money moves. Never type a card number here.</p>
<main{' class="wide"' if wide else ""}>
<h1>{escape(title)}</h1>
{content}
</main>
</body>
</html>
"""
    return HTMLResponse(document, status_code=status, headers=_HEADERS)


def card(*parts: str) -> str:
    """Return a section with a frame."""
    return f'<section class="card">{"".join(parts)}</section>'


def notice(heading: str, text: str) -> str:
    """Return an error message, which screen readers announce."""
    content = f"<p><strong>{escape(heading)}</strong></p><p>{escape(text)}</p>"
    return f'<section class="card notice" role="alert">{content}</section>'


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def post_button(action: str, label: str, *, primary: bool = False) -> str:
    """Return a form with nothing but a button."""
    css_class = ' class="primary"' if primary else ""
    return f'<form method="post" action="{escape(action)}"><button{css_class}>{escape(label)}</button></form>'


def select_form(action: str, label: str, values: list[str]) -> str:
    """Return a form that sends one of some values as `name`."""
    options = "".join(f"<option>{escape(value)}</option>" for value in values)
    select = f'<select name="name" aria-label="{escape(label)}">{options}</select>'
    return f'<form class="select" method="post" action="{escape(action)}">{select}<button>Run</button></form>'


def link(address: str, label: str, *, primary: bool = False) -> str:
    """Return a link that looks like a button."""
    css_class = "button primary" if primary else "button"
    return f'<a class="{css_class}" href="{escape(address)}">{escape(label)}</a>'


def buttons(*parts: str) -> str:
    """Return buttons, links and forms in a row."""
    return f'<div class="buttons">{"".join(parts)}</div>'


def definitions(pairs: list[tuple[str, str]]) -> str:
    """Return a list of names with their values."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in pairs)}</dl>"
