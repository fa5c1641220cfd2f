"""What a run leaves behind on the machine when it is killed: the next run takes it away, and a run its own at the end.

A run names all of its things after its process. A folder without the program is of a run that has ended, and keeps the
logs and stores of a failure: it stays.
"""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

# The name of a mounted disk, as /proc/mounts has it.
DISK = "soak"
# A copy of the program in the folder of a run, as long as it is under way.
PROGRAM = "program"
SCRIPT = b"run.py"


def prefix_of(pid):
    """Of the network namespaces of a run."""
    return f"soak-{pid}-"


def folder_of(folders, seed, pid):
    return folders / f"{seed}-{pid}"


def is_dead(pid):
    """Whether no run has this process any more; another program may have its number."""
    try:
        return SCRIPT not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


def forget_clock(pid):
    """Removes what libfaketime leaves behind of a process that was killed."""
    for name in ("faketime_shm_{}", "sem.faketime_sem_{}"):
        Path("/dev/shm", name.format(pid)).unlink(missing_ok=True)


def remove_namespace(name):
    """Ends all processes of a namespace, and removes it, if it is there."""
    found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    for pid in map(int, found.stdout.split()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        forget_clock(pid)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def dead_namespaces(names):
    """Those of runs that are dead."""
    found = [(name, re.fullmatch(r"soak-(\d+)-\w+", name)) for name in names]
    return [name for name, match in found if match and is_dead(match[1])]


def dead_folders(folders):
    """Those of runs that were killed."""
    found = [(folder, re.fullmatch(r"\d+-(\d+)", folder.name)) for folder in sorted(folders.glob("*"))]
    return [folder for folder, match in found if match and is_dead(match[1]) and (folder / PROGRAM).exists()]


def disks_below(folder, mounts):
    """The places where disks are mounted below a folder; `mounts` is the content of /proc/mounts."""
    lines = (line.split() for line in mounts.splitlines())
    places = (Path(place.encode().decode("unicode_escape")) for device, place, *_ in lines if device == DISK)
    return [place for place in places if place.is_relative_to(folder)]


def unmount(place):
    """At once, also if a process that was killed has not closed its files yet."""
    subprocess.run(["umount", "--lazy", place], check=True)


def remove(folders):
    """Takes away what runs left behind that were killed, and says so."""
    namespaces = Path("/run/netns")
    names = sorted(file.name for file in namespaces.glob("soak-*"))
    for name in dead_namespaces(names):
        print(f"removes {name}, which a run has left behind", flush=True)
        remove_namespace(name)
    for folder in dead_folders(folders):
        print(f"removes {folder}, which a run has left behind", flush=True)
        for place in disks_below(folder, Path("/proc/mounts").read_text()):
            unmount(place)
        shutil.rmtree(folder)
