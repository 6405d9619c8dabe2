"""The Hugging Face hub: files of a repository, fetched into its cache. The one place that goes out to the network."""

from __future__ import annotations

from pathlib import Path

from depthscope.core.errors import InputError
from depthscope.core.files import atomic

SECONDS = 10
"""How long the hub has to answer."""

MAX_BYTES = 2 << 30
"""Larger files are not fetched."""


def download(
    repository: str, required: tuple[str, ...], optional: tuple[str, ...] = (), max_bytes: int = MAX_BYTES
) -> Path:
    """Fetches files of a repository "owner/name".

    Args:
        repository: Its id.
        required: Files without which it is of no use.
        optional: Files that are fetched if they are there.
        max_bytes: Larger files are not fetched.

    Returns:
        The folder they lie in.

    Raises:
        InputError: If there is no such repository or file, it is too large, or the hub cannot be reached and the files
            are not in the cache.
    """
    from httpx2 import HTTPError
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    folder = Path()
    for file in (*required, *optional):
        try:
            size = get_hf_file_metadata(hf_hub_url(repository, file), timeout=SECONDS).size or 0
            if size > max_bytes:
                raise InputError(f"{file} of {repository!r} on the hub has {size / 2**30:.1f} GiB, which is too large")
            folder = Path(hf_hub_download(repository, file)).parent
        except EntryNotFoundError:
            if file in required:
                raise InputError(f"{repository!r} on the Hugging Face hub has no {file}") from None
        except HfHubHTTPError as error:  # the hub answered: no such repository, or it is private
            status = error.response.status_code
            raise InputError(f"the Hugging Face hub does not give {repository!r} (status {status})") from None
        except (HTTPError, OSError) as error:  # it did not answer
            if isinstance(error, OSError) and error.errno in atomic.REASONS:
                raise InputError(
                    f"{file} of {repository!r} cannot be kept in the hub's cache: {atomic.reason(error)}"
                ) from None
            folder = _cached(repository, file, file in required) or folder
    return folder


def _cached(repository: str, file: str, required: bool) -> Path | None:
    """Where an earlier download left a file."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, file, local_files_only=True)).parent
    except OSError:
        if not required:
            return None
        raise InputError(
            f"{repository!r} is no checkpoint here, and the Hugging Face hub, where that could be a repository, "
            "cannot be reached"
        ) from None
