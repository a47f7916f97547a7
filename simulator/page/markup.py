"""Small pieces of HTML; every text that comes from outside goes through `text`."""

from html import escape as text
from importlib.resources import files

from starlette.responses import HTMLResponse

STYLE = files(__package__).joinpath("style.css").read_text(encoding="utf-8")

# `form-action` is left open on purpose: Pay and Close lead to the store, which is another origin.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": ("default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"),
    # The address holds the payment token: it must not travel to the store as a referrer.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def page(title: str, content: str, *, status: int = 200, wide: bool = False) -> HTMLResponse:
    """Give a whole page; it says first that no real money moves."""
    document = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{text(title)} - payment simulator</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<p class="simulator">Payment simulator. No real money moves. Never type a card number here.</p>
<main{' class="wide"' if wide else ""}>
<h1>{text(title)}</h1>
{content}
</main>
</body>
</html>
"""
    return HTMLResponse(document, status_code=status, headers=_HEADERS)


def card(*parts: str, kind: str = "card") -> str:
    """A framed part of a page."""
    return f'<section class="{kind}">{"".join(parts)}</section>'


def notice(strong: str, argv: str) -> str:
    """Something that went wrong, in words, announced to screen readers."""
    content = f"<p><strong>{text(strong)}</strong></p><p>{text(argv)}</p>"
    return f'<section class="card notice" role="alert">{content}</section>'


def paragraph(argv: str, kind: str = "") -> str:
    """A paragraph."""
    return f'<p class="{kind}">{text(argv)}</p>' if kind else f"<p>{text(argv)}</p>"


def button(action: str, label: str, *, first: bool = False) -> str:
    """A form of one button."""
    look = ' class="first"' if first else ""
    return f'<form method="post" action="{text(action)}"><button{look}>{text(label)}</button></form>'


def choice(action: str, label: str, values: list[str]) -> str:
    """A form that sends one of some values as `name`."""
    options = "".join(f"<option>{text(value)}</option>" for value in values)
    select = f'<select name="name" aria-label="{text(label)}">{options}</select>'
    return f'<form class="choice" method="post" action="{text(action)}">{select}<button>Run</button></form>'


def link(address: str, label: str, *, first: bool = False) -> str:
    """A link that looks like a button."""
    return f'<a class="button{" first" if first else ""}" href="{text(address)}">{text(label)}</a>'


def actions(*parts: str) -> str:
    """Buttons beside each other."""
    return f'<div class="actions">{"".join(parts)}</div>'


def facts(pairs: list[tuple[str, str]]) -> str:
    """Names with their values."""
    return f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(value)}</dd>' for name, value in pairs)}</dl>"
