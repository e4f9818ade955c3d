"""The command ``poeem`` with all of its subcommands. Errors become one line and an exit code."""

from __future__ import annotations

import shlex
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from poeem.cli import (
    bench,
    diff,
    edit,
    encode,
    evaluate,
    explain,
    export,
    fit,
    plan,
    refresh,
    report,
    search,
    serve,
    train,
)
from poeem.cli.errors import FAULT, INTERRUPTED, MISTAKE, OK, Failure, cannot_write, disk_is_full, with_option_names
from poeem.cli.output import say
from poeem.cli.places import guarded
from poeem.cli.process import prepare_process

# Base class of usage errors. typer bundles click or imports it, depending on the version; this works for both.
UsageError: Any = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="poeem",
    help="Train a retrieval model together with its embedding index, and hand it to a stock engine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train.train,
    fit.fit,
    guarded(evaluate.evaluate),
    explain.explain,
    export.export,
    search.search,
    guarded(encode.encode),
    guarded(edit.add),
    guarded(edit.replace),
    guarded(edit.delete),
    guarded(edit.apply),
    guarded(edit.compact),
    guarded(refresh.refresh),
    guarded(diff.diff),
    serve.serve,
    plan.plan,
    guarded(report.report),
    bench.bench,
):
    app.command()(command)


def _version(requested: bool) -> None:
    if requested:
        from poeem import __version__

        print(f"poeem {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


# The commands with their options, as click objects.
COMMANDS: Any = typer.main.get_command(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code.

    Args:
        argv: arguments without the program's name; None takes ``sys.argv``.
    Returns:
        0 for success; 2 for a user's mistake (one line on stderr); 1 for an internal fault or a failed self-check; 130
        for Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        prepare_process(arguments)
    try:
        # The context holds the command line, for commands that store it with their results.
        code = COMMANDS(args=arguments, standalone_mode=False, obj=shlex.join(["poeem", *arguments]))
        if code == INTERRUPTED:
            # Some versions of typer turn Ctrl-C into this code by themselves.
            raise KeyboardInterrupt
        return code if isinstance(code, int) else OK
    except UsageError as error:
        # Without a message, the help text has been printed.
        return _complain(error.format_message(), MISTAKE) if error.format_message() else MISTAKE
    except (ValueError, OSError) as error:
        if disk_is_full(error):
            return _complain(f"the disk is full or a limit is reached: {error}", FAULT)
        return _complain(with_option_names(str(error), _options(arguments)), MISTAKE)
    except Failure as error:
        return _complain(str(error), FAULT)
    except (KeyboardInterrupt, typer.Abort):
        say("poeem: interrupted")
        return INTERRUPTED
    except MemoryError as error:
        return _complain(f"not enough memory: {error or 'ask for less at once'}", FAULT)
    except Exception as error:
        if disk_is_full(error):
            return _complain(f"the disk is full or a limit is reached: {error}", FAULT)
        if cannot_write(error):
            return _complain(f"nothing can be written there: {error}", MISTAKE)
        traceback.print_exc()
        say(f"poeem: internal fault: {type(error).__name__}: {error}")
        return FAULT


def _options(arguments: list[str]) -> dict[str, str]:
    """The options of the command, by the names of its parameters."""
    command = COMMANDS.commands.get(arguments[0]) if arguments else None
    options = {}
    for parameter in command.params if command else ():
        option = (parameter.secondary_opts or parameter.opts)[0]
        if option.startswith("--"):
            options[parameter.name] = option
    return options


def _complain(message: str, code: int) -> int:
    say(f"poeem: error: {' '.join(message.split())}")
    return code


if __name__ == "__main__":
    sys.exit(main())
