"""The payment provider's notifications: received, verified, kept in the inbox, and applied to orders."""
