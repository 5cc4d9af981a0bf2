"""Whether a bank is any good: its accuracy against controls, and what its parts are worth."""
