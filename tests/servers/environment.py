"""Where the servers come from: pinned packages in an environment of their own, and Debian's nginx.

    python -m tests.servers.environment            # make it; the first time takes minutes
    python -m tests.servers.environment --there    # exit 0 where it is made already

It is kept where the control plane's programs are, so that a second clone downloads nothing. nginx
is taken out of Debian's package into the same folder: nothing is installed on the system, and
nothing is started there.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from capscan.localplane.cache import cache_folder, exclusive
from capscan.localplane.console import Console

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "servers.txt"
NGINX_PACKAGE = "nginx"
APT_S_MAX = 180


def folder() -> Path:
    """Return where this lock file's environment is, whether it is there or not."""
    version = ".".join(map(str, sys.version_info[:2]))
    key = hashlib.sha256(version.encode() + LOCK.read_bytes()).hexdigest()[:12]
    return cache_folder() / "servers" / key


def there() -> bool:
    """Return whether the environment is complete."""
    return (folder() / ".installed").exists()


def python() -> Path:
    """Return the environment's Python."""
    return folder() / "bin" / "python"


def nginx() -> Path | None:
    """Return the program nginx: the system's, or the one of the package. None where neither is."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    unpacked = folder() / "nginx" / "usr" / "sbin" / "nginx"
    return Path(found) if found else unpacked if unpacked.exists() else None


def make(console: Console) -> None:
    """Make what is not there yet."""
    made = folder()
    made.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(made.with_suffix(".lock"), console, "installs the servers"):
        if not there():
            console.say(f"installing the servers into {made} (minutes, about 1.5 GB)")
            venv.create(made, clear=True, with_pip=True)
            # The lock file is complete; pip would ask for hashes of extras that it names otherwise.
            pip = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps")
            subprocess.run(
                [python(), *pip, "--require-hashes", "-r", LOCK],
                check=True,
                stdin=subprocess.DEVNULL,
            )
            (made / ".installed").touch()
        if nginx() is None and (why := _unpack_nginx(made / "nginx")):
            console.say(f"the tests of nginx will be skipped: {why}")


def _unpack_nginx(target: Path) -> str:
    """Unpack nginx from Debian's package; return why that could not be done, or nothing."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return "nginx is not installed, and this is no Debian"
    target.mkdir(parents=True, exist_ok=True)
    if not _download(target):
        if os.geteuid() != 0:
            return "nginx is not installed, and apt-get has no list of packages"
        _run("apt-get", "update", "-qq", cwd=target)
        if not _download(target):
            return f"apt-get finds no package {NGINX_PACKAGE}"
    (package,) = target.glob("*.deb")
    _run("dpkg-deb", "--extract", str(package), str(target), cwd=target)
    package.unlink()
    program = target / "usr" / "sbin" / "nginx"
    if not _run(str(program), "-v", cwd=target):
        shutil.rmtree(target)
        return "the package's program does not run here; install nginx"
    return ""


def _download(target: Path) -> bool:
    return _run("apt-get", "download", "-qq", NGINX_PACKAGE, cwd=target)


def _run(*command: str, cwd: Path) -> bool:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=APT_S_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> int:
    """Return the exit code."""
    if sys.argv[1:] == ["--there"]:
        return 0 if there() else 1
    make(Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())
