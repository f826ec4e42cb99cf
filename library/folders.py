"""Folders that nobody but their owner may look into."""

from pathlib import Path


def private_folder(path: Path) -> Path:
    """Return the folder, made on first use together with those above it, each open to its owner only."""
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    path.mkdir(exist_ok=True)  # says so when something else stands there
    return path
