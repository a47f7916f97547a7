"""`python -m tests.security.inventory` prints every event handler and every var sent to browsers, as JSON.

It runs in a process of its own, because Reflex keeps its registry for the lifetime of a process.
"""

import importlib
import inspect
import json
from typing import Any

from reflex_base.registry import RegistrationContext


def main() -> None:
    """Print what the composed application registered."""
    importlib.import_module("store_app.store_app")
    registry = RegistrationContext.get()
    print(json.dumps({"handlers": _handlers(registry), "vars": _vars(registry)}))


def _handlers(registry: RegistrationContext) -> dict[str, Any]:
    found = {}
    for name, registered in registry.event_handlers.items():
        function = registered.handler.fn
        found[name] = {
            "asynchronous": inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function),
            "arguments": [
                parameter for parameter in inspect.signature(function).parameters if parameter != "self"
            ],
        }
    return found


def _vars(registry: RegistrationContext) -> dict[str, list[str]]:
    return {
        name: sorted(var for var in {**state.base_vars, **state.computed_vars} if not var.startswith("_"))
        for name, state in registry.base_states.items()
    }


if __name__ == "__main__":
    main()
