"""Results as pages and pictures that a person looks at."""
