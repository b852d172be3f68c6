"""The application: its commands, and how an error reaches the person at the keyboard."""

from __future__ import annotations

import io
import os
import sys

from cyclopts import App, CycloptsError, Parameter

from affectome.cli.output import print_error
from affectome.errors import AffectomeError, UsageError
from affectome.version import __version__

_INTERRUPTED = 130
_HELP = """Fine-grained affect: categories with intensities, valence, arousal, dominance, and how sure the reading is.

For example:

    affectome text "I can't believe you did this for me"
    affectome analyze posts.csv --out results

Exit codes: 0 done; 1 an error nobody foresaw; 2 an input or option that does not fit; 3 weights that cannot be used;
4 an optional part is not installed; 5 a run that cannot start or go on; 130 stopped from the keyboard.
"""


def _shown_default(value: object) -> str | None:
    """What help says about a default; nothing where it is nothing."""
    if value is None or value is False or value == ():
        return None
    return ", ".join(value) if isinstance(value, tuple) else str(value)


app = App(
    name="affectome",
    help=_HELP,
    version=__version__,
    help_format="markdown",
    default_parameter=Parameter(negative_bool=(), negative_iterable=(), show_default=_shown_default),
)
# Commands are named by module so that one command does not pay for the imports of the others.
app.command("affectome.cli.text:text", name="text")
app.command("affectome.cli.analyze:analyze", name="analyze")
app.command("affectome.cli.export:export", name="export")
app.command("affectome.cli.taxonomy:app", name="taxonomy")
app.command("affectome.cli.models:app", name="models")
app.command("affectome.cli.train:train", name="train")
app.command("affectome.cli.evaluate:evaluate", name="evaluate")
app.command("affectome.cli.study:app", name="study")
app.command("affectome.cli.bench:app", name="bench")
app.command("affectome.cli.probe:probe", name="probe")
app.command("affectome.cli.steer:steer", name="steer")
app.command("affectome.cli.mood:mood", name="mood")
app.command("affectome.cli.serve:app", name="serve")
app.command("affectome.cli.doctor:doctor", name="doctor")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Args:
        arguments: Words after ``affectome``; by default those of the process.
    """
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may know fewer characters than a text holds
    try:
        if not words or words[0] in app.help_flags:
            app.resolved_commands()  # the list of commands shows the first line of each one's help
        code = app(words, result_action="return_value", exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        code = _refused(_usage_error(error), words)
    except AffectomeError as error:
        code = _refused(error, words)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone, as in `affectome ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _refused(error: AffectomeError, words: list[str]) -> int:
    print_error(error, as_json="--json" in words)
    return _INTERRUPTED if error.value == "SIGINT" else error.exit_code


def _usage_error(error: CycloptsError) -> UsageError:
    command = " ".join(["affectome", *(error.command_chain or ())])
    return UsageError(" ".join(str(error).split()), code="bad_usage", next_step=f"See: {command} --help")
