"""Pages and pictures, and everything that writes an evaluation."""
