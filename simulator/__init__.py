"""The stand-in for Xsolla: its own process, its own memory, and HTTP as the only way to the store."""
