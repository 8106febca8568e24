"""The state of a session: what is open, who owns it, which jobs run for it, and how it is kept."""
