"""Bytes a user gave, as text."""

from __future__ import annotations

from depthscope.core.errors import InputError


def decode(data: str | bytes) -> str:
    """The text; bytes are UTF-8, or UTF-16 if they begin with its mark.

    Raises:
        InputError: If it is empty, or not text.
    """
    if isinstance(data, bytes):
        encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            byte = data[error.start]
            raise InputError(f"line {line} is not text in UTF-8 (byte 0x{byte:02x}); save the file as UTF-8") from None
    else:
        text = data.removeprefix("\ufeff")
    if not text.strip():
        raise InputError("the input is empty; give at least one line")
    if "\x00" in text:
        raise InputError("the input holds binary data, not text; choose the format it was saved in")
    return text
