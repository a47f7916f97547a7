"""The pages: the payment page for users, and the dashboard for developers."""
