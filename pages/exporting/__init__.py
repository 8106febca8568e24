"""The parts of the Export page: settings, what they lead to, and the collection."""
