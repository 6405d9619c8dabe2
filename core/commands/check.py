"""`check`: whether a class of recurrent models has what tracing, probing and the pages ask of it."""

from __future__ import annotations

import argparse

from depthscope.core.errors import InputError

NAME, SUMMARY = "check", "says what a recurrent model of yours is missing"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("adapter_class", metavar="MODULE:CLASS", help="the class, its module as Python imports it")
    parser.add_argument("--task", metavar="TASK", help="graph or logic (default: both)")


def run(args: argparse.Namespace) -> None:
    """Prints what is there and what is not; raises InputError, and so ends with status 2, if not all is well."""
    from depthscope.core import kinds as adapters
    from depthscope.core.files.strict_json import dumps
    from depthscope.core.kinds import check

    findings = check.check(adapters.name(args.adapter_class), args.task)
    wrong = [finding for finding in findings if not finding.ok]
    if args.json:
        print(dumps({"adapter": args.adapter_class, "whole": not wrong, "checks": [vars(x) for x in findings]}))
    else:
        for finding in findings:
            place = f"{finding.presentation}: " if finding.presentation else ""
            print(
                f"{'ok   ' if finding.ok else 'WRONG'} {place}{finding.name}"
                + (f": {finding.says}" if finding.says else "")
            )
    if wrong:
        raise InputError(f"{args.adapter_class} is not whole: {len(wrong)} of {len(findings)} checks fail")
    if not args.json:
        print(f"{args.adapter_class} is whole")
