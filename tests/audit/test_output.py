import os
import stat
import threading

import pytest

from django_cors_policy.audit.naming import UnknownName
from django_cors_policy.audit.output import Output, UnusableOutput, outputs, write_whole


def test_a_format_and_a_file_are_read_from_one_text():
    assert outputs(["json=a", "sarif=b=c"]) == [Output("json", "a"), Output("sarif", "b=c")]


@pytest.mark.parametrize("written", ["json", "json=", "=", ""])
def test_what_names_no_file_is_refused(written):
    with pytest.raises(UnusableOutput, match="FORMAT=FILE"):
        outputs([written])


@pytest.mark.parametrize(
    ("written", "meant"), [("sariff=x", "'sarif'"), ("JSON=x", "'json'"), ("xyzzy=x", "text, json, sarif")]
)
def test_an_unknown_format_names_the_near_miss(written, meant):
    with pytest.raises(UnknownName, match=meant):
        outputs([written])


def test_a_file_ends_with_one_newline_and_holds_whatever_was_written(tmp_path):
    path = tmp_path / "report"
    write_whole(str(path), "ü\r\udcff")
    assert path.read_bytes() == "ü\r\\udcff\n".encode()
    write_whole(str(path), "x\n")
    assert path.read_bytes() == b"x\n"


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "report"
    path.write_text("before")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UnusableOutput, match="report' cannot be written: No space left on device"):
        write_whole(str(path), "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["nowhere/report", "folder", "a\0b", "file/report"])
def test_what_is_no_place_for_a_file_is_an_error_on_one_line(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UnusableOutput, match="cannot be written") as error:
        write_whole(f"{tmp_path}/{name}", "x")
    assert str(error.value).isprintable()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


def test_a_file_keeps_its_mode_and_a_new_one_gets_the_processs(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.touch()
    old.chmod(0o640)
    before = os.umask(0o027)
    try:
        write_whole(str(old), "x")
        write_whole(str(new), "x")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (old, new)] == [0o640, 0o640]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").write_text("before")
    write_whole(str(tmp_path / "link"), "after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "after\n"


def test_a_pipe_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_whole(str(pipe), "x")
    reader.join()
    assert read == ["x\n"]
    assert pipe.is_fifo()
