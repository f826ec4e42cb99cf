"""The fixed words of an analysis: statuses, phases, resolutions, matches, bands, with named sets beside them.

Import-light on purpose: models, services and screens all read it.
"""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _


class AnalysisStatus(models.TextChoices):
    """queued → running → completed, failed or cancelled. A reclaimed run goes from running back to queued."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


ACTIVE: Final = (AnalysisStatus.QUEUED, AnalysisStatus.RUNNING)
TERMINAL: Final = (AnalysisStatus.COMPLETED, AnalysisStatus.FAILED, AnalysisStatus.CANCELLED)


class Phase(models.TextChoices):
    """What a run is doing, in the words shown to people, in order."""

    LOADING_TRACKS = "loading_tracks", _("Loading tracks")
    ANALYZING_SIMILARITIES = "analyzing_similarities", _("Analysing similarities")
    CROSS_REFERENCING = "cross_referencing", _("Cross-referencing iTunes")
    SAVING_RESULTS = "saving_results", _("Saving results")


class Preset(models.TextChoices):
    """What "the same" means; mirrors the engine's presets."""

    RECORDING = "recording", _("Same recording")
    RELEASE = "release", _("Same recording on the same release")
    SONG = "song", _("Same song in any version")
    EXACT = "exact", _("Exactly equal tags")


class VersionMarker(models.TextChoices):
    """What a phrase behind a title makes of a song; mirrors the engine's markers."""

    LIVE = "live", _("Live")
    REMIX = "remix", _("Remix or mix")
    ACOUSTIC = "acoustic", _("Acoustic")
    INSTRUMENTAL = "instrumental", _("Instrumental")
    KARAOKE = "karaoke", _("Karaoke")
    DEMO = "demo", _("Demo")
    REMASTER = "remaster", _("Remaster")
    EDIT = "edit", _("Edit")
    EXTENDED = "extended", _("Extended")
    COVER = "cover", _("Cover")
    ALTERNATE = "alternate", _("Alternate take")
    RERECORDED = "rerecorded", "Re-recording"
    A_CAPPELLA = "a_cappella", _("A cappella")
    ORCHESTRAL = "orchestral", _("Orchestral or piano")
    SPEED = "speed", _("Other speed")
    REPRISE = "reprise", _("Reprise")
    INTRO = "intro", _("Intro, outro, skit")
    LANGUAGE = "language", _("Other language")
    MONO = "mono", _("Mono")
    EXPLICIT = "explicit", _("Explicit")
    CLEAN = "clean", _("Clean")
    OWN = "own", _("A version of its own")
    NEUTRAL = "neutral", _("No difference")


class SortBy(models.TextChoices):
    """The order in which groups are numbered."""

    CONFIDENCE = "confidence", _("Confidence")
    ARTIST = "artist", _("Artist")
    TITLE = "title", _("Title")
    DUPLICATES = "duplicates", _("Number of duplicates")
    PLAYS = "plays", _("Plays")
    LAST_PLAYED = "last_played", _("Last played")
    DATE_ADDED = "date_added", _("Date added")


class Trigger(models.TextChoices):
    """Who or what asked for an analysis."""

    ADMIN = "admin", _("Admin")
    API = "api", "API"
    COMMAND = "command", _("Command")
    SCHEDULE = "schedule", _("Schedule")
    REFRESH = "refresh", _("Refresh")


class Resolution(models.TextChoices):
    """What a person decided about a group."""

    DELETED = "deleted", _("Duplicates removed")
    KEPT_CANONICAL = "kept_canonical", _("Kept the keeper")
    MANUAL_REVIEW = "manual_review", _("For manual review")
    NOT_DUPLICATES = "not_duplicates", _("Not duplicates")


class ITunesMatch(models.TextChoices):
    """How a member was found in the iTunes catalogue."""

    EXACT = "exact", _("Exact match")
    FUZZY = "fuzzy", _("Fuzzy match")
    NONE = "none", _("Not in iTunes")


class ExportFormat(models.TextChoices):
    """What an export is written as."""

    JSON = "json", "JSON"
    JSONL = "jsonl", _("JSON Lines")
    CSV = "csv", "CSV"


class ConfidenceBand(models.TextChoices):
    """How sure a group is; the limits are settings."""

    VERY_HIGH = "very_high", _("Very high")
    HIGH = "high", _("High")
    MEDIUM = "medium", _("Medium")
    LOW = "low", _("Low")


class ExportStatus(models.TextChoices):
    """pending → running → completed or failed; completed → expired."""

    PENDING = "pending", _("Pending")
    RUNNING = "running", _("Running")
    COMPLETED = "completed", _("Completed")
    FAILED = "failed", _("Failed")
    EXPIRED = "expired", _("Expired")


class CleanupState(models.TextChoices):
    """done → undone, or done → purged once its time in quarantine is over."""

    DONE = "done", _("Done")
    UNDONE = "undone", _("Undone")
    PURGED = "purged", _("Purged")


class LedgerKind(models.TextChoices):
    """What a line of the ledger is about."""

    TRACK = "track", _("Track removed")
    VALUE = "value", _("Value moved")
    PLACE = "place", _("Playlist place moved")
    GROUP = "group", _("Group decided")
    KEEPER = "keeper", _("Keeper changed")


class LaterEdits(models.TextChoices):
    """What an undo does with values that somebody edited after the removal."""

    ASK = "ask", _("Ask")
    KEEP = "keep", _("Keep the later values")
    RESTORE = "restore", _("Restore the values from before")


class PlanState(models.TextChoices):
    """Where a clean-up plan stands; see `CleanupPlan` for the path."""

    PLANNING = "planning", _("Being worked out")
    PLANNED = "planned", _("Waiting for confirmation")
    EXECUTING = "executing", _("Under way")
    COMPLETED = "completed", _("Done")
    CANCELLED = "cancelled", _("Cancelled")
    UNDOING = "undoing", _("Being undone")
    UNDONE = "undone", _("Undone")
    FAILED = "failed", _("Failed")


PLAN_AT_WORK: Final = (PlanState.PLANNING, PlanState.EXECUTING, PlanState.UNDOING)


class PlanItemState(models.TextChoices):
    """pending → done → undone, or pending → refused."""

    PENDING = "pending", _("To do")
    DONE = "done", _("Done")
    REFUSED = "refused", _("Refused")
    UNDONE = "undone", _("Undone")


class Answer(models.TextChoices):
    """What somebody who sees nothing but the members says of a sampled group."""

    SAME = "same", _("The same")
    DIFFERENT = "different", _("Not the same")
    CANNOT_TELL = "cannot_tell", _("Cannot tell")


class AutomaticOutcome(models.TextChoices):
    """preparing → carried_out, waiting, nothing or stopped; or skipped at once."""

    PREPARING = "preparing", _("Plan under way")
    CARRIED_OUT = "carried_out", _("Carried out")
    WAITING = "waiting", _("Waits for a person")
    NOTHING = "nothing", _("Nothing to do")
    STOPPED = "stopped", _("Stopped before it did anything")
    SKIPPED = "skipped", _("Left alone")


class TokenScope(models.TextChoices):
    """What an API token may be used for, where its owner may do so too."""

    READ = "read", _("Read")
    RUN = "run", _("Start, refresh and cancel analyses; import")
    REVIEW = "review", _("Decide about groups")
    REMOVE = "remove", _("Remove duplicates and undo it")
    EXPORT = "export", _("Export")
    MANAGE = "manage", _("Preferences, clean-up and everything else")


class KeeperRuleName(models.TextChoices):
    """What a keeper profile can prefer; mirrors the engine's rules."""

    PROTECTED = "protected", _("Protected copies")
    CANONICAL = "canonical", _("Plays, short title and dates, weighed up")
    MOST_PLAYED = "most_played", _("Most plays")
    SHORTEST_TITLE = "shortest_title", _("Shortest title")
    CLEANEST_TITLE = "cleanest_title", _("Cleanest title")
    PLAYED_MOST_RECENTLY = "played_most_recently", _("Played most recently")
    ADDED_FIRST = "added_first", _("Added first")
    ADDED_LAST = "added_last", _("Added last")
    LOSSLESS = "lossless", _("Lossless")
    CODEC_FAMILY = "codec_family", _("Better codec")
    HIGHEST_BIT_RATE = "highest_bit_rate", _("Highest bit rate")
    LARGEST_FILE = "largest_file", _("Largest file")
    MOST_COMPLETE_TAGS = "most_complete_tags", _("Most complete tags")
    IN_ITUNES = "in_itunes", _("Exactly the one in iTunes")
    HIGHEST_RATING = "highest_rating", _("Highest rating")
    LOVED = "loved", _("Loved")
    COMPLETE_ALBUM = "complete_album", _("Part of a complete album")
    PREFERRED_SOURCE = "preferred_source", _("Preferred source")
    PREFERRED_FOLDER = "preferred_folder", _("Preferred folder")
