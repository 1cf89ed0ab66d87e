"""The files of an upload: a zip unpacked in memory, every name and size checked first."""

from __future__ import annotations

import io
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath

from amijax.problems.limits import BundleLimits
from amijax.problems.problem import ProblemError

_ENTRY = b"PK\x01\x02"  # begins each entry of a zip's list of contents
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ARCHIVES = (
    *(".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".lzma", ".tar", ".7z", ".rar", ".jar"),
    *(".omex", ".whl", ".egg"),
)
_DEVICES = {"con", "prn", "aux", "nul", *(f"{p}{i}" for p in ("com", "lpt") for i in range(10))}
_PACKERS_OWN = ("__MACOSX", ".DS_Store", "Thumbs.db")  # what operating systems add to zips
_SMALL = 1_000_000  # below this a high ratio does no harm
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)


def unpack(data: bytes, limits: BundleLimits) -> dict[str, bytes]:
    """The files of a zip by their paths in it; nothing is written to disk.

    Raises:
        ProblemError: it is no zip, is too large, or holds something that no PEtab problem has.
    """
    _check_size(len(data), limits.archive_bytes, "The zip", "bytes")
    if not data.startswith(b"PK\x03\x04"):
        raise ProblemError(
            "This is not a zip archive; a zip with a PEtab problem's YAML, table and SBML files "
            "was expected."
        )
    # Before the list is read: an entry of 46 bytes there is an object of half a kilobyte here.
    _check_size(data.count(_ENTRY), 4 * limits.files, "The zip", "entries")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if _matters(entry)]
            _check_entries(entries, len(data), limits)
            return _read(archive, entries, limits)
    except ProblemError:
        raise
    except (*_BROKEN, RuntimeError, OverflowError) as error:
        raise ProblemError(
            f"The zip is damaged ({str(error)[:200]}); pack the files again."
        ) from error


def checked_files(files: Mapping[str, bytes], limits: BundleLimits) -> dict[str, bytes]:
    """Files that came one by one, under the same rules as those of a zip.

    Raises:
        ProblemError: a name or a size is refused.
    """
    _check_size(len(files), limits.files, "The upload", "files")
    _check_size(sum(map(len, files.values())), limits.archive_bytes, "The upload", "bytes")
    _check_names(list(files), limits)
    return dict(files)


def _matters(entry: zipfile.ZipInfo) -> bool:
    parts = entry.orig_filename.split("/")
    return not any(part in _PACKERS_OWN for part in (parts[0], parts[-1]))


def _check_entries(entries: list[zipfile.ZipInfo], size: int, limits: BundleLimits) -> None:
    _check_size(sum(not entry.is_dir() for entry in entries), limits.files, "The zip", "files")
    # zipfile cuts names at NUL; the original has all of it.
    _check_names([entry.orig_filename for entry in entries], limits)
    for entry in entries:
        name = _shown(entry.orig_filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "a link" if kind == stat.S_IFLNK else "not a regular file"
            raise ProblemError(
                f"{name} in the zip is {what}; pack the file itself, which links can't replace."
            )
        if entry.flag_bits & 0x1:
            raise ProblemError(f"{name} in the zip is encrypted; pack it without a password.")
        if entry.compress_type not in _METHODS:
            raise ProblemError(f"{name} in the zip is packed in an unusual way; use plain zip.")
    unpacked = sum(entry.file_size for entry in entries)
    _check_size(unpacked, limits.unpacked_bytes, "The zip, unpacked,", "bytes")
    if unpacked > _SMALL and unpacked > limits.ratio * size:
        raise ProblemError(
            f"The zip unpacks to more than {limits.ratio:g} times its size, as no PEtab problem "
            "does; it was not unpacked."
        )


def _read(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], limits: BundleLimits
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = limits.unpacked_bytes
    for entry in entries:
        if entry.is_dir():
            continue
        with archive.open(entry) as file:
            content = file.read(left + 1)  # the sizes in the list may lie
        left -= len(content)
        if left < 0:
            _check_size(limits.unpacked_bytes + 1, limits.unpacked_bytes, "The zip", "bytes")
        files[entry.orig_filename] = content
    return files


def _check_names(names: list[str], limits: BundleLimits) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if why := _why_not(name, limits):
            raise ProblemError(f"The upload holds {_shown(name)}: {why}.")
        key = unicodedata.normalize("NFKC", name.rstrip("/")).casefold()
        if key in seen:
            same = "twice" if seen[key] == name else f"and {_shown(seen[key])}"
            raise ProblemError(
                f"The upload holds {_shown(name)} {same}: names must differ, and not only in "
                "upper and lower case."
            )
        seen[key] = name
    folders = {str(parent) for key in seen for parent in PurePosixPath(key).parents}
    if clash := folders & {key for key, name in seen.items() if not name.endswith("/")}:
        raise ProblemError(f"The upload holds {_shown(min(clash))} as a file and as a folder.")


def _why_not(name: str, limits: BundleLimits) -> str | None:
    """Why a name is refused, as the end of a sentence; None if it isn't."""
    if len(name) > limits.path_length:
        return f"its path is longer than {limits.path_length} characters"
    if not name or not name.isprintable() or any(c in name for c in '\\:*?"<>|'):
        return "its name has characters that file names should not have"
    if name.startswith(("/", "~")):
        return "its path is absolute; paths relative to the YAML file were expected"
    for part in name.removesuffix("/").split("/"):
        if part == "..":
            return "its path leaves the bundle with “..”; put the file inside"
        if part in ("", ".") or part != part.strip() or part.endswith("."):
            return "its path has a part that is empty or begins or ends with a space or a dot"
        if part.partition(".")[0].casefold() in _DEVICES:
            return "its name is that of a device on some systems; rename it"
    if name.lower().endswith(_ARCHIVES):
        return "an archive inside the upload is not opened; unpack it first"
    return None


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")


def _check_size(size: int, limit: int, what: str, unit: str) -> None:
    if size > limit:
        raise ProblemError(
            f"{what} is too large: more than {limit:,} {unit}, the most that is taken."
        )
