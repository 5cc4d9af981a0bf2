"""Models with a text and an image tower in one common space."""
