"""What a run needs in memory, known before it begins, and how large its chunks may be under a ceiling.

The figures were read off the peaks of whole runs with two threads, the last of many in one process, whose allocator
keeps some of what the others used: 190 MB for 2,500 tracks, 300 for 20,000, up to 622 for 100,000, up to 1,828 for
1,000,000. A track takes 1,400 bytes (its columns, its normalised record, its features and its pairs), and each of the
first 50,000 takes 5,700 besides: of lists and buffers that a small library does not fill and a large one does not
enlarge.
"""

from dataclasses import dataclass

from duplicates.engine.settings import EngineSettings

MEGABYTE = 1_000_000
PROCESS_BYTES = 190 * MEGABYTE  # the interpreter and its libraries, those of the matcher compiled
RECORD_BYTES = 1_400
FIRST_RECORDS = 50_000
FIRST_BYTES = 5_700  # that each of these takes besides
RECORD_TEXT = 250  # bytes of text of a wordy record, counted in RECORD_BYTES
TEXT_BYTES = 10  # held for each byte of text beyond that: as it was read, as words, as features and their lists
CHUNK_BYTES = 30 * MEGABYTE  # one chunk of full size under way; there is one more of them than threads
SMALLEST_CHUNK = 1 / 8  # of full size: below it more time than memory is won
SMALLEST_TEXT_CHUNK = 1 / 64  # of full size, where the texts are long


@dataclass(frozen=True, slots=True)
class Budget:
    """How a run of so many records fits under its ceiling."""

    needed_mb: int  # the least ceiling under which this run can keep its promise
    limit_mb: int
    chunk_share: float  # how large chunks are, from SMALLEST_CHUNK to 1, and smaller yet where the texts are long

    @property
    def is_enough(self) -> bool:
        return self.needed_mb <= self.limit_mb

    def chunk(self, full_size: int) -> int:
        """Return the size of chunks that are `full_size` when memory is ample."""
        return max(1, int(full_size * self.chunk_share))


def budget(records: int, settings: EngineSettings, *, text_bytes: int = 0) -> Budget:
    """Return what a run over so many records, with so much text in them, needs and may use."""
    standing = PROCESS_BYTES + records * RECORD_BYTES + min(records, FIRST_RECORDS) * FIRST_BYTES
    standing += max(0, text_bytes - records * RECORD_TEXT) * TEXT_BYTES
    working = CHUNK_BYTES * (settings.threads + 1)
    needed = standing + working * SMALLEST_CHUNK
    share = (settings.memory_limit_mb * MEGABYTE - standing) / working
    share = min(1.0, max(SMALLEST_CHUNK, share))
    if text_bytes > records * RECORD_TEXT:  # a chunk is as large as its texts
        share = max(SMALLEST_TEXT_CHUNK, share * records * RECORD_TEXT / text_bytes)
    return Budget(-int(-needed // MEGABYTE), settings.memory_limit_mb, share)
