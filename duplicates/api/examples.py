"""An example for what each request sends and for the answers programs meet first, shown by the schema.

They stand in one table, so that they tell one story: the same analysis, group and tracks. A request with several has
them at its own shape. A test holds each against its shape.
"""

from typing import Any

ANALYSIS, EXPORT, BATCH = (
    "5b0c9a52-7d1e-4f5c-9a43-2f8f0a6f1c11",
    "0d4f6c3e-8f57-4c5e-b6d8-53b7f3f8a902",
    "9f2b1c7d-3a64-4c0f-8e35-6d7a1b2c3d4e",
)
# The shape that is sent or answered → its example.
EXAMPLES: dict[str, Any] = {
    # Sent
    "StartRequest": {"preset": "recording", "min_confidence": 0.9},
    "RefreshRequest": {"preset": "release", "search": "harbour lights", "learns_anew": True},
    "ResumeRequest": {"time_limit_seconds": 1800},
    "PatchedPinRequest": {"is_pinned": True},
    "ResolveRequest": {"resolution": "not_duplicates"},
    "TrackNameRequest": {"track_id": 7},
    "RemoveRequest": {"track_ids": [9, 12], "keeper_track_id": 7},
    "UndoRequest": {"later_edits": "keep"},
    "UndoBatchRequest": {"batch_id": BATCH},
    "UndoPlanRequest": {"later_edits": "keep"},
    "ConfirmRequest": {"count": 1204},
    "ProfileWishRequest": {"name": "Studio", "rules": [{"rule": "lossless"}, {"rule": "most_played"}]},
    "ExportWishRequest": {"analysis": ANALYSIS, "format": "csv", "is_compressed": True},
    "UploadRequest": {"file": "Library.xml.gz", "source": "radio", "is_dry_run": True},
    "PatchedPreferencesRequest": {"default_preset": "release", "export_format": "csv"},
    "DrawRequest": {"analysis": ANALYSIS, "per_band": 50},
    "AnswerRequest": {"group": 7, "answer": "same"},
    "SwitchWishRequest": {"preset": "recording", "band": "very_high", "is_on": True, "resolution": "deleted"},
    # Answered
    "Error": {
        "code": "ANALYSIS_ALREADY_RUNNING",
        "message": "An equal analysis is already running.",
        "details": {"analysis_id": ANALYSIS},
        "suggestions": ["Wait for it or cancel it first."],
        "retry_suggested": True,
        "partial_results_available": False,
    },
    "Started": {
        "analysis_id": ANALYSIS,
        "status": "queued",
        "is_new": True,
        "notice": "",
        "progress_url": f"https://music.example.org/api/v1/analyses/{ANALYSIS}/progress/",
    },
    "Progress": {
        "analysis_id": ANALYSIS,
        "status": "running",
        "phase": "analyzing_similarities",
        "stage": "scoring",
        "percentage": 62.5,
        "current_step": 4,
        "total_steps": 8,
        "tracks_processed": 62_500,
        "total_tracks": 100_000,
        "groups_found": 0,
        "estimated_seconds_remaining": 11.0,
        "message": "Comparing candidates",
        "started_at": "2026-11-27T12:00:00+00:00",
        "updated_at": "2026-11-27T12:00:18+00:00",
    },
    "Export": {
        "id": EXPORT,
        "analysis_id": ANALYSIS,
        "user": "ada",
        "format": "csv",
        "is_compressed": True,
        "status": "completed",
        "row_count": 24_310,
        "total_rows": 24_310,
        "percentage": 100.0,
        "size_bytes": 1_840_217,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "file_name": "duplicates-2026-11-27-recording-5b0c9a52.csv.gz",
        "created_at": "2026-11-27T12:05:00Z",
        "expires_at": "2026-11-28T12:05:00Z",
        "download_count": 1,
        "last_downloaded_at": "2026-11-27T12:09:31Z",
        "error_message": "",
        "download_url": f"https://music.example.org/api/v1/exports/{EXPORT}/download/",
    },
}
EDITED_CSV = "group,track_id,is_canonical,not_duplicate,resolution\r\n1,7,true,,\r\n1,9,false,yes,\r\n"


def add_examples(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Give each request and answer of the schema the example of its shape; a hook of drf-spectacular."""
    for path in result["paths"].values():
        for operation in path.values():
            if not isinstance(operation, dict):
                continue
            for part in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media, content in part.get("content", {}).items():
                    _add(media, content)
    return result


def _add(media: str, content: dict[str, Any]) -> None:
    shape = content["schema"].get("$ref", "").rpartition("/")[2]
    example = EDITED_CSV if media == "text/csv" and content["schema"].get("format") != "binary" else EXAMPLES.get(shape)
    if example is not None and "examples" not in content:
        content["example"] = example
