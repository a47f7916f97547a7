"""Digital Game Store: a self-hosted store for games and in-game items."""
