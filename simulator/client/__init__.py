"""Programs that use a running simulator and a running store, over HTTP only."""
