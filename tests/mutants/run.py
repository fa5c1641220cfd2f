#!/usr/bin/env python3
"""Tests the tests: changes the code in small ways (mutants), and each time some test must fail.

    tests/mutants/run.py account connector/cuts     all mutants of these rooms or files
    tests/mutants/run.py --again account            what the last run of the room did not catch
    tests/mutants/run.py --record account           all mutants, and writes the score
    tests/mutants/run.py --changed                  those in lines that changed since the score was written

A mutant that no test fails for must be in the list of docs/RELIABILITY.md with its reason, or this fails.
docs/RELIABILITY.md, "Tests that are tested", says how it works. Needs cargo-mutants, and for `store` PostgreSQL.
"""

import argparse
import collections
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/mutants"
PAGE = ROOT / "docs/RELIABILITY.md"
SCORE = HERE / "score.txt"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
WORK = ROOT / "target/mutants"

# The rooms that hold money.
ROOMS = ["account", "link", "books", "connector", "store", "settlement"]
# The room whose tests use all rooms below it, and the package of it and these, with all of their tests. Rooms that are
# not below it have only their own tests: those of the rooms above them start whole nodes.
TOP, ALL = "connector", "all"
# Modules of tests/it that use nothing but a room, and a server that they start: the package of the room has them too.
BESIDE = {"store": {"postgres": "postgres/mod.rs", "process": "process.rs", "support": "support/mod.rs"}}
# For a mutant that waits without end.
TIMEOUT_S = 120
# To compile the tests of a package. It is no part of `--seconds`, which are for mutants.
BUILD_S = 900
# For one that works without end, in time of the processor, because a busy machine must not fail a test: for the tests
# of a room, and for all. This is four times what they take.
ROOM_CPU_S, ALL_CPU_S = 20, 40
# Its tests are slow, and its code knows no other room.
SKIP = ["--skip", "wire::"]
BEGIN, END = "<!-- begin score -->\n", "<!-- end score -->\n"
COLUMNS = ["mutants", "caught", "timeouts", "unviable", "accepted"]
# In the score, of a file whose mutants were never all tested: what has changed since then counts, as of any other.
UNTESTED = "untested"
# Modules of tests, without what they share with those of other rooms.
TESTS = re.compile(rb"#\[cfg\(test\)\](\n(?:pub(?:\([^)]*\))? )?mod (?!testing;))")
# The contents of a file when it was not there: all of it has changed.
NOTHING = "-"


def rooms_below():
    """Each room with all that it uses, also by other rooms, from the table of docs/ARCHITECTURE.md."""
    below = {}
    for line in (ROOT / "docs/ARCHITECTURE.md").read_text().splitlines():
        row = re.match(r"\| `([a-z-]+)` \| ([^|]*)\|", line)
        if row:
            known = re.findall(r"`([a-z-]+)`", row[2])
            below[row[1]] = set(known).union(*(below.get(room, ()) for room in known))
    del below["oer-codec"]
    return below


def with_below(room, below):
    """A room after those that it uses."""
    return [other for other in below if other == room or other in below[room]]


def blob(file):
    """Git's name for the contents of a file."""
    return git("hash-object", file).strip()


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode > 1 or not done.stdout and done.returncode:
        raise SystemExit(f"git {' '.join(arguments)}: {done.stderr}")
    return done.stdout


# The package.


def write_file(file, contents):
    """Leaves a file with the same contents alone: cargo goes by its time."""
    if not file.is_file() or file.read_bytes() != contents:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(contents)


def copy(sources, package, tested):
    """Copies the files below these files and folders, with the same paths; returns these."""
    files = [file for source in sources for file in (source.rglob("*") if source.is_dir() else [source])]
    files = [file.relative_to(ROOT) for file in files if file.is_file()]
    for file in files:
        contents = (ROOT / file).read_bytes()
        if tested and file.parts[0] == "src" and Path(file.parts[1]).stem not in (tested, "testing"):
            contents = TESTS.sub(rb"#[cfg(any())]\1", contents)
        write_file(package / file, contents)
    return files


def write_package(package, rooms, tested=None):
    """A package of these rooms and nothing else, which compiles in seconds.

    It has the dependencies of the program, and its target directory: nothing else is compiled again. With `tested`, it
    has only the tests of this room, which takes a third less time.
    """
    manifest = re.split(r"\[\[(?:bench|test)]]", (ROOT / "Cargo.toml").read_text())[0]
    drop = ("members =", "default-run =", "readme =", "exclude =", "ilp-connector = {")
    lines = [line for line in manifest.splitlines() if not line.startswith(drop)]
    manifest = "\n".join(lines).replace('path = "crates', f'path = "{ROOT}/crates')
    # With another name, no build of the program is taken for one of the package.
    manifest = manifest.replace('name = "ilp-connector"', f'name = "rooms-below-{package.name}"')
    # The profile of the dependencies is that of the program: otherwise all of them would be compiled again.
    manifest += """
[lib]
doctest = false

[profile.dev]
debug = false

[profile.dev.package."*"]
debug = false
opt-level = 1
"""
    runner = json.dumps(["python3", str(HERE / "runner.py")])
    config = f'''[build]
target-dir = {json.dumps(str(TARGET))}
[env]
# The program, which no test here runs.
"CARGO_BIN_EXE_ilp-connector" = ""
[net]
offline = true
[target."cfg(all())"]
runner = {runner}
'''
    modules = [
        "//! Some rooms of the program.\n#![allow(dead_code, missing_docs, unreachable_pub, unused_imports)]",
        "#[allow(unused_macros)]\n#[macro_use]\nmod planted;",
        *(f"pub mod {room};" for room in rooms if room != "planted"),
        "#[cfg(test)]\nmod testing;",
    ]
    shared = {"src/testing.rs": {*rooms, "testing"}}
    beside = BESIDE.get(tested, {})
    for name, file in beside.items():
        modules.append(f'#[cfg(test)]\n#[path = "../tests/it/{file}"]\nmod {name};')
        shared[f"tests/it/{file}"] = set(beside)
    if beside:
        # So do these tests call the rooms.
        modules += ["extern crate self as ilp_connector;", f"pub mod internals {{ pub use crate::{{{', '.join(rooms)}}}; }}"]
    written = {
        "Cargo.toml": manifest.encode(),
        "Cargo.lock": (ROOT / "Cargo.lock").read_bytes(),
        ".cargo/config.toml": config.encode(),
        "src/lib.rs": "\n".join(modules).encode(),
    }
    shared_files = []
    for module, known in shared.items():
        text, files = without_unknown(ROOT / module, known)
        written[module] = text.encode()
        shared_files += files
    for file, contents in written.items():
        write_file(package / file, contents)
    # Tests read the rest. These are copies too, because a failed property may write its seed.
    folders = [ROOT / folder for folder in ("docs", "tests/vectors", "proptest-regressions")]
    files = [ROOT / "src" / name for room in ["planted", *rooms] for name in (room, f"{room}.rs")]
    kept = copy([path for path in [*files, *shared_files, *folders] if path.exists()], package, tested)
    for file in (package / "src").rglob("*.rs"):
        name = file.relative_to(package)
        if name not in kept and str(name) not in written:
            file.unlink()


def without_unknown(module, known):
    """The text of a module, without its files that use others than these modules of the crate; and the files left."""
    text, files = module.read_text(), []
    folder = module.parent if module.name == "mod.rs" else module.with_suffix("")
    for file in sorted(set(folder.glob("*.rs")) - {module}):
        if set(re.findall(r"\bcrate::([a-z_]+)", file.read_text())) <= known:
            files.append(file)
        else:
            names = rf"(mod {file.stem};|pub\(crate\) use {file.stem}::[^;]*;)"
            text = re.sub(rf"(^#\[cfg\(test\)\]\n)?^{names}\n", "", text, flags=re.MULTILINE)
    return text, files


# What is run.


def select(names):
    """The files of these rooms and files, with `src/` or without; `a/b` means `a/b.rs` and all files below `a/b`."""
    files = []
    for name in names:
        name = name.removeprefix("src/").removesuffix("/")
        path = ROOT / "src" / name.removesuffix(".rs")
        found = [path.with_suffix(".rs")] if path.with_suffix(".rs").exists() else []
        found += sorted(path.rglob("*.rs")) if path.is_dir() and not name.endswith(".rs") else []
        if not found or name.split("/")[0] not in ROOMS:
            raise SystemExit(f"{name}: no file or room of {', '.join(ROOMS)}")
        files += [str(file.relative_to(ROOT)) for file in found]
    return [file for file in dict.fromkeys(files) if not is_test(file)]


def is_test(file):
    """Also what only simulated machines run, which is none of these packages."""
    return bool(re.search(r"/(tests|testing|model|simulated_[a-z_]+)(/|\.rs$)", file))


def changed_lines(score):
    """What changed since the score was written, as one diff, and the files concerned."""
    diffs = {}
    for file in select(ROOMS):
        before = score.get(file, untested(NOTHING))
        if before["blob"] == NOTHING:
            diffs[file] = whole(file)
        elif before["blob"] != blob(file):
            is_known = subprocess.run(["git", "cat-file", "-e", before["blob"]], cwd=ROOT, stderr=subprocess.DEVNULL)
            if is_known.returncode == 0:
                diffs[file] = between(before["blob"], file)
            elif before["is_tested"]:
                diffs[file] = whole(file)
            else:
                print(f"{file}: not tested, as git lacks what it was in {SCORE.name}: git fetch --unshallow")
    return diffs


def between(old, file):
    diff = git("diff", old, "--", file).splitlines(keepends=True)
    start = next((at for at, line in enumerate(diff) if line.startswith("@@")), len(diff))
    return f"--- a/{file}\n+++ b/{file}\n" + "".join(diff[start:])


def whole(file):
    lines = (ROOT / file).read_text().splitlines()
    return f"--- /dev/null\n+++ b/{file}\n@@ -0,0 +1,{len(lines)} @@\n" + "".join(f"+{line}\n" for line in lines)


def mutants(room, files, below, again=False, seconds=None, diff=None):
    """Tests the mutants of files of a room; returns the outcome of each, and how many there are.

    First with the room and those below it alone, which compile fastest. What survives is tested with the rooms above,
    up to TOP.
    """
    is_below_top = room in below[TOP]
    output = WORK / "outcomes" / room
    if not again:
        shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True, exist_ok=True)
    chosen = ["--config", str(HERE / "mutants.toml"), *(part for file in files for part in ("--file", file))]
    if diff is not None:
        (output / "changed.diff").write_text(diff)
        chosen += ["--in-diff", str(output / "changed.diff")]
    write_package(WORK / room, with_below(room, below), room)
    listed = json.loads(cargo_mutants(room, [*chosen, "--list", "--json"], stdout=subprocess.PIPE) or b"[]")
    listed = {(mutant["file"], mutant["name"]) for mutant in listed}
    print(f"{room}: {len(listed)} mutants", flush=True)
    before = {key: summary for key, summary in outcomes(output).items() if summary != "MissedMutant"}
    if listed <= before.keys():
        return {key: before[key] for key in listed}, len(listed)
    run = [*chosen, "--in-place", f"--output={output}", f"--timeout={TIMEOUT_S}"]
    # If time runs out, another run tests others.
    run += ["--shuffle"] if seconds else []
    # Half of it is for what survives: a survivor is judged only with all tests.
    first_seconds = seconds and (seconds / 2 if is_below_top else seconds)
    build(room)
    # Before the run, which may be interrupted.
    keep(output, before)
    started = time.monotonic()
    names = [f"{module}::" for module in [room, *BESIDE.get(room, {})]]
    cargo_mutants(room, [*run, *(["--iterate"] if again else []), "--", "--", *names], first_seconds)
    missed = {key for key, summary in outcomes(output).items() if summary == "MissedMutant"}
    if is_below_top and missed:
        # Those for which time runs out have no outcome.
        keep(output, {key: summary for key, summary in outcomes(output).items() if key not in missed})
        seconds = seconds and max(1, seconds - (time.monotonic() - started))
        write_package(WORK / ALL, with_below(TOP, below))
        build(ALL)
        cargo_mutants(ALL, [*run, "--iterate", "--", "--", *SKIP], seconds)
    found = {key: summary for key, summary in outcomes(output).items() if key in listed}
    return found, len(listed)


def environment_of(package):
    cpu_s = ALL_CPU_S if package == ALL else ROOM_CPU_S
    environment = dict(os.environ, CARGO_INCREMENTAL="1", MUTANTS_CPU_S=str(cpu_s), RUST_BACKTRACE="0")
    environment.pop("BLESS", None)
    # A test that cannot run fails: it would catch nothing.
    environment["CI"] = "true"
    return environment


def build(package):
    """Compiles the tests of a package without a mutant."""
    command = ["cargo", "test", "--no-run", "--quiet"]
    built = subprocess.run(command, cwd=WORK / package, env=environment_of(package), timeout=BUILD_S)
    if built.returncode:
        raise SystemExit(f"{package}: the package of the room does not compile")


def cargo_mutants(package, arguments, seconds=None, **options):
    """Runs it in a package, for so many seconds."""
    environment = environment_of(package)
    command = ["cargo", "mutants", "--dir", str(WORK / package), *arguments]
    with subprocess.Popen(command, env=environment, **options) as running:
        try:
            written, _ = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            running.communicate()
            return None
    # 0: all caught; 2: some missed; 3: a timeout. Everything else is no result.
    if running.returncode not in (0, 2, 3):
        raise SystemExit(f"cargo mutants failed with {running.returncode}: without a mutant, the tests must pass")
    return written


def outcomes(output):
    """The outcome of each mutant of the runs so far: its file and its name -> in one word."""
    kept, last = output / "kept.json", output / "mutants.out/outcomes.json"
    found = {(file, name): summary for file, name, summary in (json.loads(kept.read_text()) if kept.exists() else [])}
    for outcome in json.loads(last.read_text())["outcomes"] if last.exists() else []:
        if outcome["scenario"] != "Baseline":
            mutant = outcome["scenario"]["Mutant"]
            found[mutant["file"], mutant["name"]] = outcome["summary"]
    return found


def keep(output, found):
    """Keeps outcomes of earlier runs, which the last one does not have."""
    (output / "kept.json").write_text(json.dumps([[*key, summary] for key, summary in found.items()]))


# What may survive, and the score.


def accepted():
    """How often each mutant of the list may survive: (file, mutant) -> count."""
    text = PAGE.read_text()
    bullets = re.findall(r"^- `[^\n]*\n(?:  [^\n]*\n)*", text, re.MULTILINE)
    found = collections.Counter()
    for bullet in bullets:
        bullet = " ".join(bullet.split())
        row = re.fullmatch(r"- `([a-z_/]+\.rs)`: ((?:`[^`]+`(?: \(\d+ times\))?(?:, )?)+): .+", bullet)
        if not row:
            continue
        for mutant, times in re.findall(r"`([^`]+)`(?: \((\d+) times\))?", row[2]):
            found[f"src/{row[1]}", mutant] += int(times or 1)
    return found


def judge(found, may_survive):
    """Prints the survivors that are not accepted, and says whether there are any."""
    left = collections.Counter(may_survive)
    is_good = True
    for (file, name), summary in found.items():
        if summary != "MissedMutant":
            continue
        # Without its line, which changes with everything above it.
        accepted_name = re.sub(r"^\S+:\d+:\d+: ", "", name)
        left[file, accepted_name] -= 1
        if left[file, accepted_name] < 0:
            is_good = False
            print(f"NO TEST FAILS: {name}")
    return is_good


def read_score():
    score = {}
    for line in SCORE.read_text().splitlines() if SCORE.exists() else []:
        if not line.startswith("#"):
            found, file, *counts = line.split()
            is_tested = counts != [UNTESTED]
            score[file] = untested(found)
            if is_tested:
                score[file] = dict(zip(COLUMNS, map(int, counts)), blob=found, is_tested=True)
    return score


def untested(contents):
    """The row of a file whose mutants were not tested when it had these contents."""
    return dict.fromkeys(COLUMNS, 0) | {"blob": contents, "is_tested": False}


def record(score, blobs, found):
    kinds = {"CaughtMutant": "caught", "Timeout": "timeouts", "Unviable": "unviable", "MissedMutant": "accepted"}
    for file, tested in blobs.items():
        score[file] = untested(tested) | {"is_tested": True}
    for (file, _), summary in found.items():
        row = score[file]
        row["mutants"] += 1
        row[kinds[summary]] += 1
    for file in [file for file in score if not (ROOT / file).exists()]:
        del score[file]
    for file in select(ROOMS):
        score.setdefault(file, untested(NOTHING))
    lines = [
        "# Written by run.py --record: the contents of each file when its mutants were tested (as git names them), and its",
        f"# {', '.join(COLUMNS)}. `{UNTESTED}`: they were not, and only what has changed since then counts;",
        f"# with `{NOTHING}`, all of it.",
    ]
    for file, row in sorted(score.items()):
        counts = [str(row[column]) for column in COLUMNS] if row["is_tested"] else [UNTESTED]
        lines.append(" ".join([row["blob"], file, *counts]))
    SCORE.write_text("\n".join(lines) + "\n")
    write_table(score)


def write_table(score):
    rows = ["| room | files | " + " | ".join(COLUMNS) + " |", "|---|---|" + "---|" * len(COLUMNS)]
    for room in ROOMS:
        of_room = [row for file, row in score.items() if file.startswith(f"src/{room}/")]
        tested = [row for row in of_room if row["is_tested"]]
        sums = [str(sum(row[column] for row in tested)) for column in COLUMNS]
        rows.append(f"| `{room}` | {len(tested)} of {len(of_room)} | " + " | ".join(sums) + " |")
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + "\n".join(rows) + "\n\n" + END + rest.split(END)[1])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("names", nargs="*", metavar="ROOM_OR_FILE")
    arguments.add_argument("--changed", action="store_true", help="only lines that changed since the score was written")
    arguments.add_argument("--seconds", type=int, help="with --changed: stop after this time for mutants")
    arguments.add_argument("--record", action="store_true", help="write the score, if only accepted mutants survive")
    arguments.add_argument("--again", action="store_true", help="only what the last run of the rooms did not catch")
    given = arguments.parse_args()
    is_mixed = given.record or given.again if given.changed else given.seconds
    if bool(given.names) == given.changed or is_mixed:
        arguments.error("either --changed, perhaps with --seconds, or names of rooms and files")
    # Two runs at once would change each other's packages.
    WORK.mkdir(parents=True, exist_ok=True)
    lock = open(WORK / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    score, below = read_score(), rooms_below()
    diffs = changed_lines(score) if given.changed else dict.fromkeys(select(given.names))
    # As they are now: they may be edited meanwhile.
    blobs = {file: blob(file) for file in diffs}
    if not diffs:
        print("No file has changed since its mutants were tested.")
        return 0
    found, left, too_slow = {}, 0, []
    by_room = {room: [file for file in diffs if file.startswith(f"src/{room}/")] for room in ROOMS}
    by_room = {room: files for room, files in by_room.items() if files}
    for room, files in by_room.items():
        diff = "".join(diffs[file] for file in files) if given.changed else None
        seconds = given.seconds and given.seconds / len(by_room)
        of_room, total = mutants(room, files, below, given.again, seconds, diff)
        found |= of_room
        left += total - len(of_room)
        too_slow += [room] if total and not of_room else []
    counts = collections.Counter(found.values())
    print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    if left:
        print(f"{left} mutants were left out for time: run this without --seconds, or with --record and the files")
    if not judge(found, accepted()):
        print("Write a test that fails for each of these, or list them with a reason in docs/RELIABILITY.md.")
        return 1
    if too_slow:
        print(f"The time ran out before any mutant of {', '.join(too_slow)} was judged: run this with more --seconds.")
        return 1
    if given.record:
        if left:
            raise SystemExit("the run was not complete")
        record(score, blobs, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
