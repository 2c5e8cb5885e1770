"""Mounted files: every layout, a swap in the middle of a read, and what names a version."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from secretconn import SecretUnavailable
from secretconn._core.parsing import Shape, parse
from secretconn.credentials import Credentials
from secretconn.sources import FileSource, Reading
from secretconn.sources.file import _resolve

STAGES = ("AWSCURRENT", "AWSPENDING", "AWSPREVIOUS")
NOBODY = frozenset[str]()


def mount(folder: Path, stamp: str, files: dict[str, str | bytes]) -> None:
    """What Kubernetes does: a new folder, then an atomic swap of the link, then the old folder goes."""
    folder.mkdir(exist_ok=True)
    link, new = folder / "..data", folder / f"..{stamp}"
    old = link.resolve() if link.is_symlink() else None
    new.mkdir()
    for name, content in files.items():
        (new / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    temporary = folder / "..data_tmp"
    temporary.symlink_to(new.name)
    temporary.replace(link)
    if old is not None:
        for file in old.iterdir():
            file.unlink()
        old.rmdir()


def read(path: Path) -> Credentials:
    reading = FileSource(path).read(STAGES, NOBODY)
    assert list(reading.stages) == ["AWSCURRENT"]
    assert not reading.failures
    ((version, payload),) = reading.payloads.items()
    assert payload.version_id == version == reading.stages["AWSCURRENT"]
    return parse(payload, "s", Shape())


def login(password: str) -> str:
    return json.dumps({"username": "app", "password": password, "host": "db", "port": 5432})


def test_one_json_file(tmp_path: Path) -> None:
    (tmp_path / "db.json").write_text(login("pw-1"))
    found = read(tmp_path / "db.json")
    assert (found.username, found.password, found.host, found.port) == ("app", "pw-1", "db", 5432)


def test_a_file_for_each_key(tmp_path: Path) -> None:
    mount(tmp_path / "db", "1", {"username": "app\n", "password": "pw 1 ", "port": "5432", "key.jks": b"\xfe\xff\x00"})
    found = read(tmp_path / "db")
    assert (found.username, found.password, found.port) == ("app", "pw 1 ", 5432)


def test_a_plain_folder_leaves_out_what_is_no_key(tmp_path: Path) -> None:
    kept = {"username": "app", "password": "pw-1\r\n", "large": "x" * 65536}
    for name, content in {**kept, ".hidden": "x", "huge": "x" * 65537}.items():
        (tmp_path / name).write_bytes(content.encode())
    (tmp_path / "folder").mkdir()
    (payload,) = FileSource(tmp_path).read(STAGES, NOBODY).payloads.values()
    assert json.loads(payload.content) == {**kept, "password": "pw-1"}


def test_the_name_of_a_key_may_be_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"k\xff")).write_text("x")
    (payload,) = FileSource(tmp_path).read(STAGES, NOBODY).payloads.values()
    assert json.loads(payload.content) == {"k\udcff": "x"}


def test_a_swap_is_another_version_and_no_swap_is_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    mount(folder, "1", {"db.json": login("pw-1")})
    for path in (folder / "db.json", folder):
        source = FileSource(path)
        first = source.read(STAGES, NOBODY)
        again = source.read(STAGES, first.payloads.keys())
        assert (again.stages, dict(again.payloads)) == (first.stages, {})
    before = FileSource(folder / "db.json").read(STAGES, NOBODY)
    mount(folder, "2", {"db.json": login("pw-2")})
    after = FileSource(folder / "db.json").read(STAGES, before.payloads.keys())
    assert after.stages != before.stages
    assert read(folder / "db.json").password == "pw-2"


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_that_is_replaced_or_written_over_is_another_version(tmp_path: Path, replace: bool) -> None:
    file = tmp_path / "db.json"
    file.write_text(login("pw-1"))
    before = FileSource(file).read(STAGES, NOBODY).stages
    (tmp_path / "new").write_text(login("pw-22"))
    if replace:
        (tmp_path / "new").replace(file)
    else:
        file.write_text(login("pw-22"))
    assert FileSource(file).read(STAGES, NOBODY).stages != before


def test_so_is_a_plain_folder_one_of_whose_keys_is_written_over(tmp_path: Path) -> None:
    for name in ("username", "password"):
        (tmp_path / name).write_text("one")
    before = FileSource(tmp_path).read(STAGES, NOBODY).stages
    with (tmp_path / "password").open("a") as stream:
        stream.write("more")
    assert FileSource(tmp_path).read(STAGES, NOBODY).stages != before


def test_a_mounted_folder_is_read_through_its_link(tmp_path: Path) -> None:
    mount(tmp_path / "db", "1", {"username": "app"})
    assert _resolve(tmp_path / "db") == (tmp_path / "db" / "..1").resolve()
    assert _resolve(tmp_path / "db" / "username") == (tmp_path / "db" / "..1" / "username").resolve()


def test_a_version_says_nothing_of_the_content(tmp_path: Path) -> None:
    file = tmp_path / "db.json"
    file.write_text(login("pw-1"))
    stat = file.stat()
    before = FileSource(file).read(STAGES, NOBODY).stages
    file.write_text(login("pw-2"))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert FileSource(file).read(STAGES, NOBODY).stages == before


@pytest.mark.parametrize("missing", ["nothing", "folder/nothing", "dangling"])
def test_what_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(SecretUnavailable, match=f"{missing} could not be read: No such file"):
        FileSource(tmp_path / missing).read(STAGES, NOBODY)


def test_an_error_without_a_text_is_told_by_its_kind(tmp_path: Path) -> None:
    def fails(path: Path) -> Path:
        if looks:
            raise looks.pop()
        looks.append(OSError())
        return path

    looks: list[OSError] = []
    file = tmp_path / "db.json"
    file.write_text(login("pw-1"))
    with pytest.raises(SecretUnavailable) as caught:
        FileSource(file, resolve=fails).read(STAGES, NOBODY)
    assert str(caught.value) == (
        f"secret file {file} could not be read: OSError. Mount the volume, and let this user read it"
    )


def test_an_empty_mount_is_read_as_a_secret_without_a_login(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no 'username'"):
        read(tmp_path)


def test_files_that_change_during_every_read_end_in_an_error(tmp_path: Path) -> None:
    class Restless(type(tmp_path)):  # type: ignore[misc]
        """A path whose file is written whenever somebody looks at it."""

        def __fspath__(self) -> str:
            with open(str(self), "a") as stream:  # noqa: PTH123
                stream.write(" ")
            return super().__fspath__()

    file = tmp_path / "db.json"
    file.write_text(login("pw-1"))
    source = FileSource(file)
    found = source.read(STAGES, NOBODY)
    assert found.payloads
    restless = FileSource(file, resolve=Restless)
    with pytest.raises(SecretUnavailable, match=r"could not be read: it changed during each of many reads[.]"):
        restless.read(STAGES, NOBODY)


def test_a_swap_in_the_middle_of_a_read_is_read_again_whole(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    mount(folder, "1", {"username": "user1", "password": "pw1"})
    swaps = iter(["2", "3"])

    class Swapping(type(tmp_path)):  # type: ignore[misc]
        """A path under which the files are swapped when the first of them is opened."""

        looked = False

        def stat(self, **how: bool) -> os.stat_result:
            self.looked = True
            return super().stat(**how)

        def __fspath__(self) -> str:
            if self.name == "password" and not self.looked and (number := next(swaps, None)):  # it is opened
                mount(folder, number, {"username": f"user{number}", "password": f"pw{number}"})
            return super().__fspath__()

    source = FileSource(folder, resolve=lambda path: Swapping(os.path.realpath(path / "..data")))
    (payload,) = source.read(STAGES, NOBODY).payloads.values()
    assert json.loads(payload.content) == {"username": "user3", "password": "pw3"}


# -- what is no file --------------------------------------------------------------------------------------------------


def in_time(work: Callable[[], object]) -> list[object]:
    """What it returns or raises, or nothing where it does not come back."""
    found: list[object] = []

    def run() -> None:
        try:
            found.append(work())
        except SecretUnavailable as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    return found


def test_a_fifo_is_refused_at_once_and_a_good_file_in_its_place_is_read(tmp_path: Path) -> None:
    """Fault 8: every connect waited for its other end, for good."""
    place = tmp_path / "db.json"
    os.mkfifo(place)
    source = FileSource(place)
    (error,) = in_time(lambda: source.read(STAGES, NOBODY))
    assert isinstance(error, SecretUnavailable)
    assert "could not be read: it is not a regular file. Mount" in str(error)
    assert isinstance(error.__cause__, OSError)
    assert error.__cause__.errno == errno.EINVAL
    place.unlink()
    place.write_text(login("pw-1"))
    assert source.read(STAGES, NOBODY).payloads


def test_a_fifo_in_a_folder_is_no_key(tmp_path: Path) -> None:
    mount(tmp_path / "db", "1", {"username": "user1", "password": "pw1"})
    os.mkfifo(tmp_path / "db" / "..data" / "other")
    (reading,) = in_time(lambda: FileSource(tmp_path / "db").read(STAGES, NOBODY))
    assert isinstance(reading, Reading)
    (payload,) = reading.payloads.values()
    assert json.loads(payload.content) == {"username": "user1", "password": "pw1"}


@pytest.mark.parametrize("name", ["/proc/kmsg", "/proc/self/mem", "/dev/zero", "/dev/tty"])
def test_a_file_of_the_system_s_ends(name: str) -> None:
    if not Path(name).exists():
        pytest.skip("there is none here")
    assert len(in_time(lambda: FileSource(name).read(STAGES, NOBODY))) == 1


@pytest.mark.parametrize("stage", ["AWSPENDING", "AWSPREVIOUS"])
def test_a_file_has_no_other_stage(tmp_path: Path, stage: str) -> None:
    (tmp_path / "db.json").write_text(login("pw-1"))
    reading = FileSource(tmp_path / "db.json").read((stage,), NOBODY)
    assert (reading.stages, reading.payloads, reading.failures) == ({}, {}, {})
