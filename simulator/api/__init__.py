"""The provider's APIs, and the simulator's own controls."""
