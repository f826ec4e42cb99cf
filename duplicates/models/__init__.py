"""The nouns: analyses with their groups and members, and the records around them."""

from duplicates.models.analysis import DuplicateAnalysisResult
from duplicates.models.groups import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.models.preferences import DuplicatePreferences
from duplicates.models.records import AuditRecord, DuplicateAnalysisExport, NotDuplicate, Worker

__all__ = [
    "AuditRecord",
    "DuplicateAnalysisExport",
    "DuplicateAnalysisGroup",
    "DuplicateAnalysisResult",
    "DuplicateAnalysisTrack",
    "DuplicatePreferences",
    "NotDuplicate",
    "Worker",
]
