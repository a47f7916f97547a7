"""The engine, the unit of work, the outbox, pagination and the connection watchdog."""
