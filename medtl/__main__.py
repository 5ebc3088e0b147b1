"""The command `medtl`, as `python -m medtl`."""

from medtl.cli import main

if __name__ == "__main__":
    main()
