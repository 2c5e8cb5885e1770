"""Unpacking with the real apt-get, from a small archive made here: what is needed, left out, damaged, gone, expired."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from secretconn.testing import ServerUnavailable, debian
from secretconn.testing._apt import Apt

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get")

PACKAGES = {
    "server": "Depends: libfast1 (= 2:1.0), perl-like (>= 0.5), libc-like",
    "libfast1": "Depends: libc-like (<< 3:0)",
    "perl-like": "Depends: perl-like-modules",
    "perl-like-modules": "",
    "libc-like": "Multi-Arch: foreign",
}
"""Name to its fields; all are of version 2:1.0."""


class Archive:
    """A flat archive of packages, each with one file, usr/share/NAME."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = f"deb [trusted=yes] copy:{folder} ./"
        for name, fields in PACKAGES.items():
            self.add(name, fields)
        self.publish()

    def add(self, name: str, fields: str) -> None:
        tree = self.folder / "trees" / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "usr/share").mkdir(parents=True)
        (tree / "usr/share" / name).write_text(name)
        lines = [f"Package: {name}", "Version: 2:1.0", "Architecture: all", "Maintainer: x <x@example.org>"]
        (tree / "DEBIAN/control").write_text("\n".join([*lines, *filter(None, [fields]), "Description: x\n"]))
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", tree, self.file(name)], check=True, capture_output=True
        )

    def file(self, name: str) -> Path:
        return self.folder / f"{name}_1.0_all.deb"

    def publish(self, *more: str) -> None:
        """Write the lists as they are now, with more lines for Release."""
        paragraphs = []
        for name in PACKAGES:
            content = self.file(name).read_bytes()
            control = (self.folder / "trees" / name / "DEBIAN/control").read_text()
            hashed = hashlib.sha256(content).hexdigest()
            paragraphs.append(f"{control}Filename: ./{self.file(name).name}\nSize: {len(content)}\nSHA256: {hashed}\n")
        text = "\n".join(paragraphs)
        (self.folder / "Packages").write_text(text)
        told = f" {hashlib.sha256(text.encode()).hexdigest()} {len(text)} Packages"
        lines = ["Date: Sat, 01 Jan 2022 00:00:00 UTC", *more, "SHA256:", told, ""]
        (self.folder / "Release").write_text("\n".join(lines))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    (tmp_path / "archive").mkdir()
    return Archive(tmp_path / "archive")


@pytest.fixture
def make(archive: Archive, tmp_path: Path) -> Callable[[], Apt]:
    return lambda: Apt(tmp_path / "work", lists=tmp_path / "lists", source=archive.source)


def updated(apt: Apt) -> Apt:
    assert apt.update() == ""
    return apt


def test_everything_a_package_needs_whatever_this_machine_has(make: Callable[[], Apt]) -> None:
    plan = updated(make()).plan(["server"], [])
    assert set(plan.files.values()) == set(PACKAGES)
    assert plan.size > 0


@pytest.mark.parametrize(
    ("without", "left"),
    [
        (["perl*"], {"server", "libfast1", "libc-like"}),
        (["perl-like"], {"server", "libfast1", "libc-like"}),  # its modules are needed by nothing else
        (["libc-like"], set(PACKAGES) - {"libc-like"}),
        (["*"], {"server"}),
    ],
)
def test_what_is_left_out_takes_along_what_only_it_needs(
    make: Callable[[], Apt], without: list[str], left: set[str]
) -> None:
    apt = updated(make())
    plan = apt.plan(["server"], without)
    assert set(plan.files.values()) == left
    assert {file.name for file in apt.download(["server"], plan)} == set(plan.files)


def test_a_date_that_is_past_does_not_matter(archive: Archive, make: Callable[[], Apt]) -> None:
    archive.publish("Valid-Until: Sun, 02 Jan 2022 00:00:00 UTC")
    assert updated(make()).plan(["server"], ["*"]).size


def test_an_archive_without_a_signature_is_refused(archive: Archive, make: Callable[[], Apt]) -> None:
    archive.source = archive.source.replace("[trusted=yes] ", "")
    apt = make()
    assert "is not signed" in apt.update()
    with pytest.raises(ServerUnavailable):
        apt.download(["server"], apt.plan(["server"], []))


def test_a_damaged_file_leaves_no_folder_and_the_next_try_goes_on(
    archive: Archive, make: Callable[[], Apt], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    updated(make())
    whole = archive.file("libfast1").read_bytes()
    archive.file("libfast1").write_bytes(whole[:-1] + b"x")
    target = tmp_path / "debian" / "server"
    with pytest.raises(ServerUnavailable, match=r"Failed to fetch .*libfast1"):
        debian._fetch(["server"], [], target, [make])
    assert not target.exists()
    archive.file("libfast1").write_bytes(whole)
    target.parent.mkdir()
    debian._extract(debian._fetch(["server"], [], target, [make]), target)
    assert {path.name for path in (target / "usr/share").iterdir()} == set(PACKAGES)
    assert (
        f"fetching server with 4 packages that come along: 0.0 MB, unpacked 0 MB in {target}" in capsys.readouterr().err
    )


def test_lists_that_name_a_file_which_is_gone_are_fetched_anew(
    archive: Archive, make: Callable[[], Apt], tmp_path: Path
) -> None:
    updated(make())
    archive.file("libc-like").rename(archive.folder / "libc-like_1.1_all.deb")
    archive.file = lambda name: archive.folder / f"{name}_{'1.1' if name == 'libc-like' else '1.0'}_all.deb"  # type: ignore[method-assign]
    archive.publish()
    with pytest.raises(ServerUnavailable):
        debian._fetch(["server"], [], tmp_path / "server", [make])
    assert len(debian._fetch(["server"], [], tmp_path / "server", [make, lambda: updated(make())])) == len(PACKAGES)


def test_a_folder_is_there_whole_or_not_at_all(archive: Archive, tmp_path: Path) -> None:
    broken = tmp_path / "broken.deb"
    broken.write_bytes(archive.file("server").read_bytes()[:200])
    with pytest.raises(ServerUnavailable, match="dpkg-deb ended with"):
        debian._extract([archive.file("libfast1"), broken], tmp_path / "target")
    assert not (tmp_path / "target").exists()
    assert not list(tmp_path.glob(".new-*"))


def test_what_is_not_wanted_is_not_kept(archive: Archive, tmp_path: Path) -> None:
    files = [archive.file("server"), archive.file("libfast1")]
    debian._extract(files, tmp_path / "target", ["usr/share/lib*", "usr/nothing"])
    assert [path.name for path in (tmp_path / "target/usr/share").iterdir()] == ["server"]


def test_an_unknown_package_is_told_by_name(make: Callable[[], Apt], tmp_path: Path) -> None:
    with pytest.raises(ServerUnavailable, match=r"no-such-package cannot be had: .*Unable to locate package"):
        debian._fetch(["no-such-package"], [], tmp_path / "x", [lambda: updated(make())])
