"""From class names to a prompt bank: plan, ask, filter, collect."""
