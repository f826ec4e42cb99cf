"""The admin of duplicates: pages select, call a service and tell the person; the rules live in the services."""

from duplicates.admin import (
    analyses,
    decisions,
    exports,
    groups,
    keeper_profiles,
    members,
    plans,
    precision,
    preferences,
    records,
    removals,
    site_settings,
    tokens,
    tracks,
    vocabulary,
)

__all__ = [
    "analyses",
    "decisions",
    "exports",
    "groups",
    "keeper_profiles",
    "members",
    "plans",
    "precision",
    "preferences",
    "records",
    "removals",
    "site_settings",
    "tokens",
    "tracks",
    "vocabulary",
]
