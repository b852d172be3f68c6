"""``python -m affectome``: the command line where no script is installed."""

from affectome.cli import main

if __name__ == "__main__":
    main()
