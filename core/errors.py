"""The one error a user can cause. Command line and pages turn it into one sentence; anything else is a bug."""


class InputError(ValueError):
    """Something a user gave cannot be used; the message is one sentence that says what, where and what to do."""
