"""The command `handwriting`, as `python -m handwriting`."""

from handwriting.cli import main

if __name__ == "__main__":
    main()
