"""The store in a real browser, from the first visit to what arrives live."""
