"""``python -m whitesquare``."""

from whitesquare.cli import main

if __name__ == "__main__":
    main()
