"""The nouns: analyses with their groups and members, and the records around them."""

from duplicates.models.access import ApiToken, KeptAnswer
from duplicates.models.analysis import DuplicateAnalysisResult
from duplicates.models.cleanup import CleanupAction, LedgerEntry, LibraryMark
from duplicates.models.groups import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.models.keepers import KeeperChoice, KeeperProfile
from duplicates.models.leases import Lease
from duplicates.models.plans import CleanupPlan, CleanupPlanItem
from duplicates.models.precision import AutomaticResolution, AutomaticRun, PrecisionSample, SampledGroup
from duplicates.models.preferences import DuplicatePreferences
from duplicates.models.records import (
    AuditRecord,
    AuditRetention,
    DecidingGroup,
    DuplicateAnalysisExport,
    NotDuplicate,
    Worker,
)
from duplicates.models.site_settings import SiteSetting
from duplicates.models.storage import StorageSample
from duplicates.models.vocabulary import VersionWord

__all__ = [
    "ApiToken",
    "AuditRecord",
    "AuditRetention",
    "AutomaticResolution",
    "AutomaticRun",
    "CleanupAction",
    "CleanupPlan",
    "CleanupPlanItem",
    "DecidingGroup",
    "DuplicateAnalysisExport",
    "DuplicateAnalysisGroup",
    "DuplicateAnalysisResult",
    "DuplicateAnalysisTrack",
    "DuplicatePreferences",
    "KeeperChoice",
    "KeeperProfile",
    "KeptAnswer",
    "Lease",
    "LedgerEntry",
    "LibraryMark",
    "NotDuplicate",
    "PrecisionSample",
    "SampledGroup",
    "SiteSetting",
    "StorageSample",
    "VersionWord",
    "Worker",
]
