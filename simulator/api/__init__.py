"""The provider's APIs, and the API that controls the simulator."""
