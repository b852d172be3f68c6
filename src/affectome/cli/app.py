"""The application: its commands, and how an error reaches the person at the keyboard."""

from __future__ import annotations

import sys

from cyclopts import App, Parameter

from affectome.cli.output import print_error
from affectome.errors import AffectomeError
from affectome.version import __version__

app = App(
    name="affectome",
    help="Fine-grained affect: categories with intensities, valence, arousal, dominance, and how sure the reading is.",
    version=__version__,
    help_format="markdown",
    default_parameter=Parameter(negative_iterable=()),
)
# Commands are named by module so that one command does not pay for the imports of the others.
app.command("affectome.cli.text:text", name="text")
app.command("affectome.cli.analyze:analyze", name="analyze")
app.command("affectome.cli.taxonomy:app", name="taxonomy")
app.command("affectome.cli.models:app", name="models")
app.command("affectome.cli.train:train", name="train")
app.command("affectome.cli.evaluate:evaluate", name="evaluate")
app.command("affectome.cli.doctor:doctor", name="doctor")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Args:
        arguments: Words after ``affectome``; by default those of the process.
    """
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(words, result_action="return_value")
    except AffectomeError as error:
        print_error(error, as_json="--json" in words)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as in `affectome ... | head`
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
