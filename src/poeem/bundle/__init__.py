"""The bundle: a folder with a trained index and its coded items, in a format that belongs to no engine."""

from poeem.bundle.bundle import Bundle
from poeem.bundle.editor import BundleEditor
from poeem.bundle.read import open_bundle
from poeem.bundle.write import write_bundle

__all__ = ["Bundle", "BundleEditor", "open_bundle", "write_bundle"]
