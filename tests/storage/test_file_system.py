"""Which file systems are network ones, from mountinfo as machines have it, and the journal that follows."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from potentials.errors import InputError
from storage.file_system import file_system, is_network, journal_for, kind_of
from storage.ledger import Ledger
from tests.storage.test_ledger import entry

MOUNTS = r"""
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
25 22 0:23 / /tmp rw,nosuid,nodev shared:4 - tmpfs tmpfs rw,size=8388608k,inode64
36 22 0:33 / /home rw,relatime shared:20 - nfs4 nas:/export/home rw,vers=4.2,rsize=1048576,hard,proto=tcp
37 36 259:4 / /home/local rw,relatime shared:21 - xfs /dev/nvme1n1 rw,attr2,inode64
38 22 0:35 / /data rw,relatime - nfs old-nas:/data rw,vers=3,nolock,addr=10.0.0.2
39 22 0:36 / /work rw,relatime shared:25 - lustre 10.1.0.1@o2ib:10.1.0.2@o2ib:/work rw,flock,lazystatfs
40 22 0:37 / /gpfs/project rw,relatime shared:26 - gpfs project rw
41 22 0:38 / /mnt/beegfs rw,relatime shared:27 - beegfs beegfs_nodev rw,cfgFile=/etc/beegfs/beegfs-client.conf
42 22 0:39 / /mnt/share\040of\040lab rw,relatime shared:28 - cifs //server/lab rw,vers=3.1.1,username=x
43 22 0:40 / /mnt/cloud rw,nosuid,nodev,relatime shared:29 - fuse.sshfs user@host:/ rw,user_id=1000
44 22 8:17 / /mnt/stick rw,relatime shared:30 - fuseblk /dev/sdb1 rw,user_id=0,allow_other
45 22 0:41 / /net rw,relatime shared:31 - autofs systemd-1 rw,fd=44,pgrp=1,timeout=0
46 45 0:42 / /net rw,relatime shared:32 - nfs4 nas:/net rw,vers=4.1
47 22 0:43 / /host rw,relatime - 9p host rw,trans=virtio,version=9p2000.L
48 22 0:44 /a/b /srv/bind rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
49 22 0:45 / /mnt/ceph rw,relatime - ceph 10.0.0.3:6789:/ rw,name=admin,acl
51 22 0:46 / /var/lib/docker/overlay2/x/merged rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u
"""

PLACES = [
    ("/", "ext4", False),
    ("/tmp/nmer-store/labels", "tmpfs", False),
    ("/home/anna/nmer-store/labels", "nfs4", True),
    ("/home/local/store", "xfs", False),
    ("/homework", "ext4", False),
    ("/data", "nfs", True),
    ("/work/p1/store", "lustre", True),
    ("/gpfs/project/x", "gpfs", True),
    ("/gpfs/other", "ext4", False),
    ("/mnt/beegfs/x", "beegfs", True),
    ("/mnt/share of lab/store", "cifs", True),
    ("/mnt/cloud/x", "fuse.sshfs", True),
    ("/mnt/stick/x", "fuseblk", False),
    ("/net/x", "nfs4", True),
    ("/host/x", "9p", True),
    ("/srv/bind/x", "ext4", False),
    ("/mnt/ceph/x", "ceph", True),
    ("/var/lib/docker/overlay2/x/merged/store", "overlay", False),
]


@pytest.mark.parametrize(("folder", "kind", "network"), PLACES)
def test_the_deepest_mount_decides(folder: str, kind: str, network: bool) -> None:
    assert file_system(Path(folder), MOUNTS) == kind
    assert is_network(kind) is network


def test_a_container_s_mountinfo_without_optional_fields() -> None:
    text = "1216 1030 0:183 / / rw,relatime - overlay overlay rw\n1300 1216 0:55 /x /s rw - nfs4 nas:/x\n\nbad\n"
    assert file_system(Path("/s/labels"), text) == "nfs4"
    assert file_system(Path("/etc"), text) == "overlay"
    assert file_system(Path("/etc"), "") == ""


def test_this_machine_s_folders_are_known(tmp_path: Path) -> None:
    assert kind_of(tmp_path)
    assert kind_of(Path("/proc")) == "proc"
    os.symlink("/proc", tmp_path / "link")
    assert kind_of(tmp_path / "link" / "self") == "proc"


def mode(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as database:
        return str(database.execute("PRAGMA journal_mode").fetchone()[0])


def test_the_journal_is_changed_when_a_store_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (journal, expected) in enumerate((("wal", "wal"), ("rollback", "delete"), ("wal", "wal"))):
        monkeypatch.setenv("NMER_LEDGER_JOURNAL", journal)
        with Ledger.open(tmp_path) as ledger:
            ledger.add([entry(f"c{number}")])
            assert set(ledger.rows(["c0", "c1", "c2"], "p")) == {f"c{n}" for n in range(number + 1)}
            with Ledger.read(tmp_path) as reader:  # while it is open
                assert set(reader.rows(["c0", "c1", "c2"], "p")) == {f"c{n}" for n in range(number + 1)}
        assert mode(tmp_path) == expected
        assert (tmp_path / "ledger.sqlite-wal").exists() is False


def test_a_reader_keeps_the_journal_from_being_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger.open(tmp_path) as ledger:
        ledger.add([entry("c")])
    monkeypatch.setenv("NMER_LEDGER_JOURNAL", "rollback")
    monkeypatch.setattr("storage.ledger_file.PATIENCE", 0.2)
    with Ledger.read(tmp_path) as reader:
        reader.rows(["c"], "p")
        with pytest.raises(InputError, match=r"journal .* while another process reads it"):
            Ledger.open(tmp_path)
        assert set(reader.rows(["c"], "p")) == {"c"}
    with Ledger.open(tmp_path) as ledger:
        assert set(ledger.rows(["c"], "p")) == {"c"}


def test_another_journal_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NMER_LEDGER_JOURNAL", "off")
    with pytest.raises(InputError, match="NMER_LEDGER_JOURNAL is 'off'; allowed: wal, rollback, or not set"):
        journal_for(tmp_path)
