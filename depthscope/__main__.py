"""The command line: `depthscope COMMAND`, one program for the commands of core, probes and figures, and the app."""

from __future__ import annotations

import sys

APP, PROBE = "app", "probe"


def usage() -> str:
    """Every command with what it does, from the modules that declare them."""
    from depthscope.core.cli import COMMANDS
    from depthscope.figures.cli import COMMANDS as FIGURES

    rows = [(APP, "the app, in a browser"), (PROBE, "the instruments, by name")]
    rows += [(module.NAME, module.SUMMARY) for module in (*COMMANDS, *FIGURES)]
    lines = [f"  {name:<12}{summary}" for name, summary in rows]
    return "\n".join(["usage: depthscope COMMAND ... (COMMAND --help has its arguments)", "", *lines])


def main(arguments: list[str] | None = None) -> int:
    """Hands the arguments to the part that knows the command; imports that part alone."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help"):
        print(usage(), file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == APP:
        from depthscope.ui.shell import serve

        serve.main(words[1:])
        return 0
    if words[0] == PROBE:
        from depthscope.probes import cli as probes

        return probes.main(words[1:], f"depthscope {PROBE}")
    from depthscope.figures import cli as figures

    if words[0] in (module.NAME for module in figures.COMMANDS):
        return figures.main(words, "depthscope")
    from depthscope.core import cli as core

    return core.main(words, "depthscope")


def run() -> None:
    """The console script; Ctrl-C while modules are being imported ends quietly, too."""
    try:
        status = main()
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    run()
