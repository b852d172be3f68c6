"""How people reach it: the ``affectome`` command.

Exit codes: 0 done; 1 an error nobody foresaw; 2 an input or option that does not fit; 3 weights that cannot be used;
4 an optional part is not installed; 5 a run that cannot start or go on; 130 stopped from the keyboard.
"""

from affectome.cli.app import app, main

__all__ = ["app", "main"]
