"""Write HDF5 to a disk that may be full or gone without crashing the process.

HDF5 crashes the whole process when it closes a file that it could not write (https://github.com/h5py/h5py/issues/914).
So it writes through a file object that never fails; the disk's error is raised afterwards, by `check` and on closing.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Literal

#: After a failure, pieces of up to so many bytes are kept in memory: these hold HDF5's own tables, which it may read
#: again to close the file. The data come in larger pieces.
_KEPT = 2**16
_PAGE = 2**12


def put_anndata(adata: Any, file: Any) -> None:
    """Write a whole AnnData into an empty ``h5py.File``, as ``adata.write_h5ad`` does, which takes only paths.

    Texts in `adata` become categories, as they do with ``write_h5ad``.
    """
    from anndata.io import write_elem

    adata.strings_to_categoricals()
    if adata.raw is not None:
        adata.strings_to_categoricals(adata.raw.var)
    write_elem(file, "/", adata)
    if adata.raw is None:  # `write_elem` wrote a "null", `write_h5ad` writes nothing
        file.pop("raw", None)


class UnfailingFile:
    """A file for h5py's driver ``fileobj`` that never fails.

    Parameters
    ----------
    path
        An existing file.

    Attributes
    ----------
    error : OSError or None
        The first error. From then on nothing is written to the disk; small pieces are kept in memory, so that HDF5
        reads again what it wrote.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b", buffering=0)
        self._at = 0
        self._pages: dict[int, bytearray] = {}
        self.error: OSError | None = None

    def write(self, data: memoryview) -> int:
        """Write all bytes, or remember the error; return their number in either case."""
        whole = rest = memoryview(data).cast("B")
        try:
            self._file.seek(self._at)
            while self.error is None and len(rest):
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self.error = error
        if len(rest) and len(whole) <= _KEPT:
            self._keep(whole)
        self._at += len(whole)
        return len(whole)

    def truncate(self, size: int) -> int:
        """Set the file's length in bytes, or remember the error."""
        try:
            return self._file.truncate(size) if self.error is None else size
        except OSError as error:
            self.error = error
            return size

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from the current position; zeros where the file holds nothing."""
        view = memoryview(buffer).cast("B")
        n_read = self._read(view, self._at)
        view[n_read:] = bytes(len(view) - n_read)
        for page, start, stop in _pages(self._at, len(view)) if self._pages else ():
            if page in self._pages:
                begin = page * _PAGE + start - self._at
                view[begin : begin + stop - start] = self._pages[page][start:stop]
        self._at += len(view)
        return len(view)

    def read(self, size: int) -> bytes:
        """Return the next bytes; h5py recognises a file by this method, but calls `readinto`."""
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position, and return it."""
        self._at = self._file.seek(offset, whence) if whence else offset
        return self._at

    def tell(self) -> int:
        """Return the current position, in bytes from the start."""
        return self._at

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        """Close the file, and drop what is kept in memory."""
        self._pages.clear()
        self._file.close()

    def _read(self, view: memoryview, at: int) -> int:
        n_read = 0
        try:
            self._file.seek(at)
            while n_read < len(view) and (n_more := self._file.readinto(view[n_read:])):
                n_read += n_more
        except OSError as error:
            self.error = self.error or error
        return n_read

    def _keep(self, data: memoryview) -> None:
        at = self._at
        for page, start, stop in _pages(at, len(data)):
            if page not in self._pages:
                kept = bytearray(_PAGE)
                self._read(memoryview(kept), page * _PAGE)
                self._pages[page] = kept
            begin = page * _PAGE + start - at
            self._pages[page][start:stop] = data[begin : begin + stop - start]


def _pages(at: int, size: int) -> list[tuple[int, int, int]]:
    """Return the pages that a run of bytes touches: each page's number, and where the run begins and ends in it."""
    return [
        (page, max(at - page * _PAGE, 0), min(at + size - page * _PAGE, _PAGE))
        for page in range(at // _PAGE, -(-(at + size) // _PAGE))
    ]


class Hdf5Writing:
    """An HDF5 file that is being written; a context manager that closes it and raises the disk's error, if any.

    Parameters
    ----------
    path
        An existing file, which may be empty if `mode` is "w".
    mode
        "w" starts with an empty file; "r+" keeps what is there.
    options
        Arguments of ``h5py.File``.

    Attributes
    ----------
    file : h5py.File
        The file to write into. Only `check` or `close` tell whether the disk took what was written.

    Raises
    ------
    OSError
        With ``errno``, by `check`, by `close` and at the end of the block, if the disk failed. It replaces another
        error of the block, which becomes its cause, but not ``SystemExit`` or ``KeyboardInterrupt``.
    """

    def __init__(self, path: Path, mode: Literal["w", "r+"], **options: Any) -> None:
        import h5py

        self._disk = UnfailingFile(path)
        try:
            self.file = h5py.File(self._disk, mode, **options)
        except BaseException:
            self._disk.close()
            raise

    def check(self) -> None:
        """Raise the disk's first error, if there was one."""
        if self._disk.error is not None:
            raise self._disk.error

    def close(self) -> None:
        """Complete the file and raise the disk's error, if any; may be called again."""
        try:
            self.file.close()
            self.check()
        finally:
            self._disk.close()

    def __enter__(self) -> Hdf5Writing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except OSError as failed:
            if failed is error:
                return
            if error is None or isinstance(error, Exception):
                raise failed from error
