"""What the package and `make install` hold, and what they leave: files, rights, addresses, bytes."""

import marshal
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.booted.machine import Machine
from tests.booted.office import CONFIG, Office

CHECKOUT = Path(__file__).resolve().parents[2]
OURS = ("opt/hotfolder/", "usr/", "lib/systemd/system/")
BESIDE = {
    *("usr/bin/hotfolder", "usr/share/man/man8/hotfolder.8.gz"),
    *("lib/systemd/system/hotfolder.service", "lib/systemd/system/hotfolder@.service"),
    *("usr/lib/sysusers.d/hotfolder.conf", "usr/lib/tmpfiles.d/hotfolder.conf"),
    "usr/share/bash-completion/completions/hotfolder",
    "usr/share/zsh/vendor-completions/_hotfolder",
    "usr/share/fish/vendor_completions.d/hotfolder.fish",
}


def run(*command: str | Path, **environment: str) -> str:
    """Run a program of this checkout, which must succeed; returns what it printed."""
    asked = subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, "TOOLS": str(CHECKOUT / ".venv/bin"), **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert asked.returncode == 0, asked.stdout + asked.stderr
    return asked.stdout


@pytest.fixture
def unpacked(package: Path, tmp_path: Path) -> Path:
    """The package's files, below a folder."""
    run("dpkg-deb", "--extract", package, tmp_path / "root")
    return tmp_path / "root"


def files(root: Path) -> dict[str, Path]:
    """Return all that is no folder, by its path below the root."""
    return {str(p.relative_to(root)): p for p in root.rglob("*") if p.is_symlink() or not p.is_dir()}


def test_the_package_holds_what_it_should(package: Path, unpacked: Path) -> None:
    """Program, units, snippets, manual, completions and pages, all of them root's, and nothing that anybody may write."""
    there = files(unpacked)
    assert not [name for name in there if not name.startswith(OURS)]
    pages = {n for n in there if n.startswith("usr/share/doc/hotfolder/")}
    assert {n for n in there if not n.startswith("opt/")} == BESIDE | pages
    assert {
        *("usr/share/doc/hotfolder/config.example.yaml", "usr/share/doc/hotfolder/docs/installing.md"),
        *("usr/share/doc/hotfolder/README.md", "usr/share/doc/hotfolder/docs/monitoring/alerts.yaml"),
    } <= pages
    for line in run("dpkg-deb", "--contents", package).splitlines():
        mode, owner = line.split()[:2]
        assert owner == "root/root", line
        assert mode[0] == "l" or (mode[5], mode[8]) == ("-", "-"), line
    assert "conffiles" not in run("dpkg-deb", "--info", package), (
        "a package's configuration would start something"
    )


def test_nothing_of_the_builder_is_in_it(unpacked: Path) -> None:
    """No path of the machine that built it, no address of an index; the code is compiled for the place it goes to."""
    for name, path in files(unpacked).items():
        assert Path(name).name != "direct_url.json"
        if not path.is_symlink():
            content = path.read_bytes()
            foreign = [
                word for word in (str(CHECKOUT), f"{tempfile.gettempdir()}/tmp.") if word.encode() in content
            ]
            assert not foreign, name
    site = next(unpacked.glob("opt/hotfolder/lib/python3.*/site-packages"))
    sources = {p for p in site.rglob("*.py") if p.parent.name != "__pycache__"}
    compiled = {p.parent.parent / f"{p.name.split('.')[0]}.py" for p in site.rglob("*.pyc")}
    assert sources == compiled, "what is not compiled is compiled anew at every start"
    code = marshal.loads(next(site.glob("hotfolder/__pycache__/model.*.pyc")).read_bytes()[16:])
    assert code.co_filename == f"/{site.relative_to(unpacked)}/hotfolder/model.py"
    assert (unpacked / "opt/hotfolder/bin/python3").readlink() == Path("/usr/bin/python3")
    assert (unpacked / "opt/hotfolder/bin/hotfolder").read_text().startswith("#!/opt/hotfolder/bin/python")


def test_the_same_sources_give_the_same_bytes(package: Path, tmp_path: Path) -> None:
    """Built again, elsewhere and by somebody with another mask and another home, it is the same file."""
    other = tmp_path / "other"
    other.mkdir()
    script = f"umask 0077; exec {CHECKOUT}/systemd/package/build"
    run("sh", "-c", script, OUT=str(tmp_path / "again"), TMPDIR=str(other), LANG="C", TZ="Asia/Tokyo")
    assert (tmp_path / "again" / package.name).read_bytes() == package.read_bytes()
    assert not list(other.iterdir()), "the build leaves nothing behind"


def test_it_installs_and_goes_where_no_systemd_runs(machine: Machine, package: Path) -> None:
    """In an image that is being built there is no service to start or stop; removal leaves no program file."""
    for words in (f"dpkg -i {package}", "hotfolder --version", "dpkg -r hotfolder"):
        machine.run("unshare", "--mount", "sh", "-ec", f"mount -t tmpfs tmpfs /run; {words}")
    assert machine.run("sh", "-c", "ls -d /opt/hotfolder /usr/bin/hotfolder", check=False).stdout == ""
    assert machine.run("getent", "passwd", "hotfolder").stdout.startswith("hotfolder:")


@pytest.mark.parametrize("own", ["/opt/hotfolder/pyvenv.cfg", "/etc/systemd/system/hotfolder.service"])
def test_it_does_not_mix_with_what_was_made_by_hand(machine: Machine, package: Path, own: str) -> None:
    """An environment or a unit of somebody's own is named and left alone, and nothing of the package is unpacked."""
    machine.write(own, "by hand\n")
    asked = machine.run("dpkg", "-i", package, check=False)
    assert asked.returncode != 0
    assert str(Path(own).parent if own.startswith("/opt") else own) in asked.stderr
    assert machine.read(own) == "by hand\n"
    assert machine.run("test", "-e", "/opt/hotfolder/bin/hotfolder", check=False).returncode == 1


def test_without_a_package(machine: Machine, sandbox: SandboxServer, tmp_path: Path) -> None:
    """What `make install` lays out works where it belongs, and `make uninstall` takes away just that."""
    root = tmp_path / "root"
    run("systemd/package/install", DESTDIR=str(root), PREFIX="/usr/local")
    laid_out = files(root)
    assert all(name.startswith(("usr/local/", "etc/")) for name in laid_out)
    packed = subprocess.run(["tar", "-C", root, "-c", "."], capture_output=True, check=True, timeout=60)
    machine.reach("/var/laid-out.tar").write_bytes(packed.stdout)
    machine.run("tar", "-C", "/", "-x", "--no-overwrite-dir", "-f", "/var/laid-out.tar")
    ours = "/var/checkout/systemd/package"
    for name in ("postinst", "prerm", "postrm", "places", "uninstall"):
        machine.write(f"{ours}/{name}", (CHECKOUT / "systemd/package" / name).read_text(), 0o755)
    assert "/usr/local/share/doc/hotfolder" in machine.run("sh", f"{ours}/postinst", "configure", "").stdout

    office = Office(machine, sandbox)
    office.move_in()
    office.start()
    office.drop(6)
    office.prove()
    program = machine.run("readlink", "-f", "/usr/local/bin/hotfolder").stdout.strip()
    assert program == "/usr/local/lib/hotfolder/bin/hotfolder"

    ask = "COMP_WORDS=(hotfolder st) COMP_CWORD=1; _hotfolder_completion hotfolder; echo ${COMPREPLY[@]}"
    completions = "/usr/local/share/bash-completion/completions/hotfolder"
    assert machine.run("bash", "-c", f"source {completions}; {ask}").stdout == "status\n"
    assert "upload documents" in machine.run("man", "-P", "cat", "8", "hotfolder").stdout

    before = office.property("MainPID")
    machine.run("sh", f"{ours}/postinst", "configure", "")
    assert office.property("MainPID") not in {before, "0"}, "installed again it goes on with the new program"
    machine.run(f"{ours}/uninstall")
    assert machine.run("pgrep", "-u", "hotfolder", check=False).stdout == ""
    assert not [name for name in laid_out if machine.reach(f"/{name}").exists()]
    assert machine.run("test", "-e", "/usr/local/lib/hotfolder", check=False).returncode == 1
    assert office.filed() == office.dropped
    for kept in (CONFIG, "/var/lib/hotfolder/journal.sqlite3"):
        machine.run("test", "-e", kept)


@pytest.mark.parametrize("prefix", ["/home/somebody", "/srv/hotfolder/bin", "relative"])
def test_a_prefix_that_the_unit_cannot_see(prefix: str, tmp_path: Path) -> None:
    """A prefix where the service could run nothing is refused with another to take, and nothing is written."""
    environment = {**os.environ, "DESTDIR": str(tmp_path / "root"), "PREFIX": prefix}
    command = [CHECKOUT / "systemd/package/install"]
    asked = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert asked.returncode == 1
    assert prefix in asked.stderr
    assert "PREFIX" in asked.stderr
    assert not (tmp_path / "root").exists()
