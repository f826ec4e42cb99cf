"""The admin of duplicates: pages select, call a service and tell the person; the rules live in the services."""

from duplicates.admin import analyses, exports, groups, members, preferences, records, tokens, vocabulary

__all__ = ["analyses", "exports", "groups", "members", "preferences", "records", "tokens", "vocabulary"]
