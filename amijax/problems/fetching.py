"""Fetching one file over HTTP with its SHA-256 checked, and saying why it didn't work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from amijax.problems.catalogue import list_problems
from amijax.problems.problem import ProblemError

if TYPE_CHECKING:
    import requests

_TIMEOUT = (10.0, 30.0)  # seconds: until connected, between two pieces of data
_RETRIES = 2
_CHUNK = 1 << 16
_MAX_BYTES = 500_000_000
_POINTER = b"version https://git-lfs"  # what a server sends that stores large files elsewhere

Reason = Literal["offline", "missing", "server", "digest", "broken", "timeout", "disk"]


class DownloadError(ProblemError):
    """A file of the collection that can't be had.

    Attributes:
        reason: `offline`, `missing` (404), `server` (another answer), `digest` (other content),
            `broken` (connection), `timeout`, `disk`.
    """

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(f"{sentence} {_alternatives()}")
        self.reason = reason


class Fetcher:
    """Fetches the files of one folder of a server into one folder on disk.

    Args:
        url: the address that file names are appended to.
        folder: where they go; no other process may write there meanwhile.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._bytes_before = self._bytes_now = 0

    @property
    def bytes_done(self) -> int:
        """Bytes that came over the network so far."""
        return self._bytes_before + self._bytes_now

    def clear_parts(self) -> None:
        """Remove what a process left that was killed while it fetched."""
        for path in self._folder.rglob("tmp*"):
            with suppress(OSError):
                path.unlink()

    def fetch(self, name: str, sha256: str | None, on_data: Callable[[], None]) -> Path:
        """A file's path, fetched unless it is there and right.

        Args:
            name: the file, relative to address and folder.
            sha256: what its digest must be; None if that is not known.
            on_data: called when something of it came.

        Raises:
            DownloadError: with the reason.
        """
        import pooch
        import requests

        pooch.get_logger().setLevel(logging.WARNING)
        url = self._url + quote(name)
        store = pooch.create(
            path=self._folder,
            base_url=self._url,
            urls={name: url},
            registry={name: sha256 and f"sha256:{sha256}"},
            retry_if_failed=_RETRIES,
        )
        try:
            return Path(store.fetch(name, downloader=self._downloader(on_data)))
        except (requests.RequestException, _RefusedError, OSError) as error:
            raise fetch_failure(error, url) from error
        except ValueError as error:  # pooch's word for a wrong digest
            raise DownloadError(
                "digest",
                f"{url} is not the file that belongs to the collection (its SHA-256 differs), so "
                "it was not kept. Try again; if it stays so, something on the way changes files.",
            ) from error
        finally:
            self._bytes_before += self._bytes_now
            self._bytes_now = 0

    def digest(self, name: str) -> str:
        """SHA-256 of a file that was fetched."""
        import pooch

        return str(pooch.file_hash(str(self._folder / name)))

    def _downloader(self, on_data: Callable[[], None]) -> Callable[..., None]:
        import pooch
        import requests

        def download(url: str, output_file: str, store: Any) -> None:
            part = Path(output_file)
            self._bytes_now = 0

            def came(_size: int) -> None:
                self._bytes_now = part.stat().st_size
                if self._bytes_now > _MAX_BYTES:
                    raise _RefusedError("server", f"it sends more than {_MAX_BYTES:,} bytes")
                on_data()

            http = pooch.HTTPDownloader(
                progressbar=_Meter(came), chunk_size=_CHUNK, timeout=_TIMEOUT
            )
            try:
                http(url, output_file, store)
            except requests.HTTPError as error:
                answer = _answer(error)
                answer.close()  # pooch leaves it open
                status = answer.status_code
                if status in (404, 410):  # asking again won't help
                    raise _RefusedError("missing", f"it has no such file ({status})") from error
                raise
            with part.open("rb") as file:
                if file.read(len(_POINTER)) in (b"", _POINTER):
                    raise _RefusedError("server", "it sent no content for the file")

        return download


class _Meter:
    """What pooch wants of a progress bar."""

    total = 0

    def __init__(self, update: Callable[[int], None]) -> None:
        self.update = update

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


class _RefusedError(Exception):
    """An answer that asking again won't change."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason = reason


def fetch_failure(error: Exception, what: str) -> DownloadError:
    """The sentence for something that went wrong with a download."""
    import requests

    # Requests' errors are OSErrors, and those of timeouts are connection errors as well.
    if isinstance(error, _RefusedError):
        return DownloadError(error.reason, f"{what} can't be had from the server: {error}.")
    if isinstance(error, requests.HTTPError):
        return DownloadError(
            "server", f"{what}: the server answers with status {_answer(error).status_code}."
        )
    if isinstance(error, requests.Timeout):
        return DownloadError("timeout", f"{what}: the server does not answer in time.")
    if isinstance(error, requests.ConnectionError) and not _began(error):
        return DownloadError(
            "offline", f"{what} can't be reached: there seems to be no connection to the network."
        )
    if isinstance(error, requests.RequestException):
        return DownloadError(
            "broken",
            f"The connection broke while {what} was being fetched. Files that are complete were "
            "kept: try again to go on.",
        )
    return DownloadError("disk", f"{what} can't be written: {error}.")


def _answer(error: requests.HTTPError) -> requests.Response:
    assert error.response is not None  # raise_for_status gives it
    return error.response


def _began(error: Exception) -> bool:
    """Whether a connection error came after the server was reached."""
    return "NewConnectionError" not in repr(error) and "NameResolution" not in repr(error)


def _alternatives() -> str:
    """What can be opened without the network."""
    groups: dict[str, list[str]] = {}
    for info in list_problems():
        if info.is_here:
            groups.setdefault(info.source, []).append(info.problem_id)
    here = "; ".join(f"{', '.join(ids)} ({source})" for source, ids in groups.items())
    return f"Here without a network: {here}."
