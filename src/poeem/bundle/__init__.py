"""The neutral artefact of a trained index: arrays, manifest, codes, fingerprint."""

from poeem.bundle.bundle import Bundle
from poeem.bundle.editor import BundleEditor
from poeem.bundle.read import open_bundle
from poeem.bundle.write import write_bundle

__all__ = ["Bundle", "BundleEditor", "open_bundle", "write_bundle"]
