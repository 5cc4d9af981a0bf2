"""Whether a bank is any good: accuracy against honest controls, and what in the bank did it."""
