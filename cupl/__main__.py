"""``python -m cupl``."""

from cupl.cli import main

if __name__ == "__main__":
    main()
