"""`check`: whether a recurrent model or a task of one's own has what tracing, probing and the pages ask of it."""

from __future__ import annotations

import argparse

from depthscope.core.errors import InputError

NAME, SUMMARY = "check", "says what a recurrent model or a task of yours is missing"


def add(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("named", metavar="MODULE:NAME", help="the class or the task, its module as Python imports it")
    parser.add_argument("--task", metavar="TASK", help="what a class is tried on (default: all it can be)")


def run(args: argparse.Namespace) -> None:
    """Prints what is there and what is not; raises InputError, and so ends with status 2, if not all is well."""
    from depthscope.core import kinds, tasks
    from depthscope.core.files.strict_json import dumps
    from depthscope.core.kinds import check as kinds_check
    from depthscope.core.named import imported
    from depthscope.core.tasks import check as tasks_check
    from depthscope.core.tasks.spec import Task

    what = "a class or a task"
    if isinstance(imported(args.named, what, "MODULE:CLASS or MODULE:TASK, such as mine.clock:Clock"), Task):
        kind, findings = "task", tasks_check.check(tasks.name(args.named))
    else:
        kind, findings = "adapter", kinds_check.check(kinds.name(args.named), args.task)
    wrong = [finding for finding in findings if not finding.ok]
    if args.json:
        print(dumps({kind: args.named, "whole": not wrong, "checks": [vars(x) for x in findings]}))
    else:
        for finding in findings:
            place = f"{finding.presentation}: " if finding.presentation else ""
            print(
                f"{'ok   ' if finding.ok else 'WRONG'} {place}{finding.name}"
                + (f": {finding.says}" if finding.says else "")
            )
    if wrong:
        raise InputError(f"{args.named} is not whole: {len(wrong)} of {len(findings)} checks fail")
    if not args.json:
        print(f"{args.named} is whole")
