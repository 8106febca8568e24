"""Widgets that do not depend on `pages.session`: headings, download links, turning clouds, style."""
