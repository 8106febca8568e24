"""The workspace on the page: where a session begins, signing in, the sidebar and its cards."""
