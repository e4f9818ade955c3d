"""The neutral artefact of a trained index: arrays, manifest, codes, fingerprint."""

from poeem.bundle.bundle import Bundle
from poeem.bundle.read import open_bundle
from poeem.bundle.write import write_bundle

__all__ = ["Bundle", "open_bundle", "write_bundle"]
