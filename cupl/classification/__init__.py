"""Image vectors to labels."""
