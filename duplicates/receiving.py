"""Receives a file block by block into the private folder of uploads, and never more of it than is allowed.

API and admin take files through the same handler; what becomes of them is `library.uploads`' to say.
"""

import tempfile
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from duplicates.exceptions import UploadTooLarge
from duplicates.request_deadline import begin_anew
from library.uploads import limit_bytes, uploads_folder


class SpoolingHandler(FileUploadHandler):
    """Writes each file of a request where only its owner may read it; all of them count against the limit."""

    chunk_size = 1 << 18

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._received = 0
        self._open: Any = None

    def handle_raw_input(self, input_data: Any, META: Any, content_length: int, *args: Any, **kwargs: Any) -> None:  # noqa: N803
        """Refuse what says beforehand that it is too large; the form around a file needs a little."""
        if content_length > limit_bytes() + self.chunk_size:
            raise UploadTooLarge.of(limit_bytes())

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._open = tempfile.NamedTemporaryFile(dir=uploads_folder(), suffix=".part")  # noqa: SIM115 (lives on)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._received += len(raw_data)
        if self._received > limit_bytes():
            self._open.close()
            raise UploadTooLarge.of(limit_bytes())
        self._open.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile[Any]:
        begin_anew()
        self._open.flush()
        self._open.seek(0)
        return UploadedFile(self._open, self.file_name, self.content_type, file_size, self.charset)

    def upload_interrupted(self) -> None:
        if self._open is not None:
            self._open.close()


def keep(file: UploadedFile[Any]) -> Path:
    """Give a received file a name of its own, so that it outlives the request."""
    received = Path(str(file.file.name))  # type: ignore[union-attr]
    kept = received.with_suffix(".received")
    kept.hardlink_to(received)
    return kept
