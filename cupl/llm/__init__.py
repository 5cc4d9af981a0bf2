"""Language models: one request, one try."""
