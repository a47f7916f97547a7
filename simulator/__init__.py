"""The stand-in for Xsolla: a process with its own memory that talks to the store over HTTP only."""
