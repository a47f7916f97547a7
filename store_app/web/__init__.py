"""What browsers and API clients use: pages, their States, the API, live updates."""
