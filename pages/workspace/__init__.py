"""The workspace on the page: the start of a session, signing in, the sidebar with its cards, hints."""
