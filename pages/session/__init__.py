"""The state of a session: what is open, whose it is, what is being computed for it, and how it is kept."""
