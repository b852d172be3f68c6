"""The version of the package, apart so that every room may read it."""

__version__ = "0.1.0"
