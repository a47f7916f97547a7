"""Payment providers: what the store asks of each, and one package for each of them."""
