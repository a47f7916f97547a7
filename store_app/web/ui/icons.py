"""The icons, as inline SVG in the color of the text around them: 20 pixels, lines of 1.75."""

import reflex as rx


def _icon(*paths: str) -> rx.Component:
    return rx.el.svg(
        *(rx.el.path(d=path) for path in paths),
        view_box="0 0 24 24",
        aria_hidden="true",
        class_name="icon size-5 flex-none",
    )


def search() -> rx.Component:
    """Return a magnifier."""
    return _icon("M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Z", "m16.5 16.5 4 4")


def bag() -> rx.Component:
    """Return a shopping bag."""
    return _icon("M5 8h14l1 12H4L5 8Z", "M9 8V7a3 3 0 0 1 6 0v1")


def library() -> rx.Component:
    """Return a row of books."""
    return _icon("M5 4v16", "M10 4v16", "m14.5 4.5 5 15")


def check() -> rx.Component:
    """Return a check mark."""
    return _icon("m5 12.5 4.5 4.5L19 7.5")


def clock() -> rx.Component:
    """Return a clock."""
    return _icon("M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16Z", "M12 8v4.5l3 2")


def warning() -> rx.Component:
    """Return a triangle with an exclamation mark."""
    return _icon("M12 4 3 20h18L12 4Z", "M12 10v4.5", "M12 17.2v.1")


def back() -> rx.Component:
    """Return an arrow that goes around to where it began."""
    return _icon("M4 9h10a5 5 0 0 1 0 10H8", "M8 5 4 9l4 4")
