"""What browsers and API clients see: pages, their States, the API, live updates."""
