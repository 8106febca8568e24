"""Whose session this is, what is open in it, and how it is kept between visits."""
