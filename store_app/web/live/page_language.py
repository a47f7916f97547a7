"""The language of an event: that of the page that sent it."""

from reflex import App, Middleware
from reflex.state import BaseState
from reflex_base.event import Event

from store_app import languages, routes
from store_app.web.live import tabs


class PageLanguage(Middleware):
    """Middleware of Reflex that handles each event in the language of its page's address."""

    async def preprocess(self, app: App, state: BaseState, event: Event) -> None:  # noqa: ARG002 - Reflex's
        """Activate that language for the rest of the task: Reflex handles each event in a task of its own."""
        language, _rest = routes.split(state.router.url.path)
        languages.activate(language)
        if tab := tabs.find(state.router.session.client_token):
            tab.language = language
