"""Resident memory and processor time of a process, from Linux's /proc."""

import os
from pathlib import Path


def rss_mib(process: Path) -> float:
    """Return VmRSS of /proc/PID."""
    status = (process / "status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def cpu_s(process: Path) -> float:
    """Return user and system time of /proc/PID (proc_pid_stat(5), fields 14 and 15)."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib() -> float:
    """Return the most that this process ever held. getrusage would begin with the parent's."""
    status = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
