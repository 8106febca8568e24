"""The parts of the Export page: the settings, the finished export, live links, and the collection of exports."""
