"""The nouns: analyses with their groups and members, and the records around them."""

from duplicates.models.analysis import DuplicateAnalysisResult
from duplicates.models.cleanup import CleanupAction, LedgerEntry, LibraryMark
from duplicates.models.groups import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.models.preferences import DuplicatePreferences
from duplicates.models.records import AuditRecord, DuplicateAnalysisExport, NotDuplicate, Worker
from duplicates.models.vocabulary import VersionWord

__all__ = [
    "AuditRecord",
    "CleanupAction",
    "DuplicateAnalysisExport",
    "DuplicateAnalysisGroup",
    "DuplicateAnalysisResult",
    "DuplicateAnalysisTrack",
    "DuplicatePreferences",
    "LedgerEntry",
    "LibraryMark",
    "NotDuplicate",
    "VersionWord",
    "Worker",
]
