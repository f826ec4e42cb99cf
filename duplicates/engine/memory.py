"""What a run needs in memory, known before it begins, and how large its chunks may be under a ceiling.

The figures were read off the peaks of whole runs with two threads, the last of many in one process, whose allocator
keeps some of what the others used: 190 MB for 2,500 tracks, 300 for 20,000, up to 622 for 100,000, up to 1,828 for
1,000,000. A track takes 1,400 bytes (its columns, its normalised record, its features and its pairs), and each of the
first 50,000 takes 5,700 besides: of lists and buffers that a small library does not fill and a large one does not
enlarge.

An iTunes catalogue is looked up when the matching is over: a track takes half of that by then, and each entry what a
track takes. In processes of their own, 100,000 tracks and as many entries took up to 585 MB, 20,000 tracks and 200,000
entries up to 612.
"""

from dataclasses import dataclass, replace

from duplicates.engine.settings import EngineSettings

MEGABYTE = 1_000_000
PROCESS_BYTES = 190 * MEGABYTE  # the interpreter and its libraries, those of the matcher compiled
RECORD_BYTES = 1_400
FIRST_RECORDS = 50_000
FIRST_BYTES = 5_700  # that each of these takes besides
RECORD_TEXT = 250  # bytes of text of a wordy record, counted in RECORD_BYTES
TEXT_BYTES = 10  # held for each byte of text beyond that: as it was read, as words, as features and their lists
MATCHED_BYTES = 700  # of a track whose group is known
ENTRY_BYTES = 1_400  # of an entry of the catalogue, looked through as the matcher reads tracks
CHUNK_BYTES = 30 * MEGABYTE  # one chunk of full size under way; there is one more of them than threads
SMALLEST_CHUNK = 1 / 8  # of full size: below it more time than memory is won
SMALLEST_TEXT_CHUNK = 1 / 64  # of full size, where the texts are long
SMALLEST_LOOKUP = 5_000  # members looked up in a catalogue at once: their records take 7 MB


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


def catalogue_budget(tracks: int, entries: int, settings: EngineSettings) -> Budget:
    """Return what looking members of so many tracks up among so many entries needs and may use."""
    standing = PROCESS_BYTES + tracks * MATCHED_BYTES + entries * ENTRY_BYTES
    standing += min(tracks + entries, FIRST_RECORDS) * FIRST_BYTES
    return _budget(standing, settings)


def members_at_once(tracks: int, entries: int, settings: EngineSettings) -> int:
    """Return how many members that no key finds may be looked up together; there is always room for SMALLEST_LOOKUP."""
    room = settings.memory_limit_mb - catalogue_budget(tracks, entries, settings).needed_mb
    return max(SMALLEST_LOOKUP, room * MEGABYTE // RECORD_BYTES)


def budget(records: int, settings: EngineSettings, *, text_bytes: int = 0) -> Budget:
    """Return what a run over so many records, with so much text in them, needs and may use."""
    standing = PROCESS_BYTES + records * RECORD_BYTES + min(records, FIRST_RECORDS) * FIRST_BYTES
    standing += max(0, text_bytes - records * RECORD_TEXT) * TEXT_BYTES
    found = _budget(standing, settings)
    if text_bytes <= records * RECORD_TEXT:
        return found
    share = found.chunk_share * records * RECORD_TEXT / text_bytes  # a chunk is as large as its texts
    return replace(found, chunk_share=max(SMALLEST_TEXT_CHUNK, share))


def _budget(standing: int, settings: EngineSettings) -> Budget:
    """Return what is needed for chunks at their smallest beside what stands anyway, and how large they may be."""
    working = CHUNK_BYTES * (settings.threads + 1)
    needed = standing + working * SMALLEST_CHUNK
    share = (settings.memory_limit_mb * MEGABYTE - standing) / working
    return Budget(-int(-needed // MEGABYTE), settings.memory_limit_mb, min(1.0, max(SMALLEST_CHUNK, share)))
