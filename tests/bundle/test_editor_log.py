"""The log of an editor: full disks, damage, and logs of other bundles."""

from __future__ import annotations

import os

import pytest

from poeem.bundle import BundleEditor, open_bundle
from poeem.bundle.manifest import LOG_FILE


def test_a_bundle_written_anew_takes_the_log_along(tmp_path, small_bundle, draw):
    small_bundle(tmp_path / "b")
    with BundleEditor(tmp_path / "b") as editor:
        editor.add([1], draw(1))
    small_bundle(tmp_path / "b", seed=5)
    assert len(open_bundle(tmp_path / "b")) == 20
    assert not (tmp_path / "b" / LOG_FILE).exists()


def test_a_full_disk_takes_the_change_back(tmp_path, small_bundle, model_of, draw, monkeypatch):
    small_bundle(tmp_path / "b")
    with BundleEditor(tmp_path / "b") as editor:
        editor.add([1], draw(1))
        rows = model_of.read(editor.bundle)
        for name in ("write", "fsync"):
            with monkeypatch.context() as patched:
                real, calls = getattr(os, name), []

                def failing(descriptor, *rest, real=real, calls=calls, name=name):
                    calls.append(1)
                    if len(calls) > 1:
                        return real(descriptor, *rest)
                    if name == "write":
                        real(descriptor, bytes(rest[0])[:20])
                    raise OSError(28, "No space left on device")

                patched.setattr(os, name, failing)
                with pytest.raises(OSError, match="No space left"):
                    editor.add([2], draw(1))
            assert model_of.read(editor.bundle) == model_of.read(open_bundle(tmp_path / "b")) == rows
        editor.add([2], draw(1))
        assert {1, 2} <= set(open_bundle(tmp_path / "b").ids.tolist())


@pytest.mark.parametrize("where", ["header", "first record", "cut in the middle", "spliced"])
def test_a_damaged_log_is_refused(tmp_path, small_bundle, draw, where):
    small_bundle(tmp_path / "b")
    log = tmp_path / "b" / LOG_FILE
    with BundleEditor(tmp_path / "b") as editor:
        sizes = [log.stat().st_size for one in range(3) if editor.add([one], draw(1)) is None]
    data = bytearray(log.read_bytes())
    if where == "header":
        data[20] ^= 1
    elif where == "first record":
        data[sizes[0] - 1] ^= 1
    elif where == "cut in the middle":
        del data[sizes[0] - 3 : sizes[0]]
    else:
        del data[sizes[0] : sizes[1]]
        data += b"more"
    log.write_bytes(data)
    with pytest.raises(ValueError, match=rf"refused: {LOG_FILE} (is damaged|was cut).*delete both to lose the"):
        open_bundle(tmp_path / "b")
    with pytest.raises(ValueError, match="refused"):
        BundleEditor(tmp_path / "b")
    log.unlink()
    with pytest.raises(ValueError, match="is missing"):
        open_bundle(tmp_path / "b")
    log.with_name("changes.head").unlink()
    assert len(open_bundle(tmp_path / "b")) == 20


def test_a_log_of_another_bundle_is_refused(tmp_path, small_bundle, draw):
    for name in "ab":
        small_bundle(tmp_path / name, seed=ord(name))
    with BundleEditor(tmp_path / "a") as editor:
        editor.add([1], draw(1))
    (tmp_path / "b" / LOG_FILE).write_bytes((tmp_path / "a" / LOG_FILE).read_bytes())
    with pytest.raises(ValueError, match="of another bundle"):
        open_bundle(tmp_path / "b")
