#!/usr/bin/env python3
"""Prepare `.venv`: find a Python that is new enough, create the virtual environment, install the requirements.

Only the standard library, and only syntax that old Pythons read too: this file must be able to say
"your Python is too old" instead of failing with a syntax error.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
# Where the default Python is too old, the first of these on PATH is used.
COMMANDS = ("python3.13", "python3.12", "python3.11")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin", "python")
STAMP = os.path.join(VENV, "installed.json")
LOG = os.path.join(VENV, "install.log")
RUNTIME = "requirements.txt"
DEVELOPMENT = "requirements-dev.txt"
# What pip prints when it cannot reach its index (it never says "no network").
NETWORK_SIGNS = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Temporary failure in name resolution",
    "Name or service not known",
    "nodename nor servname",
    "Network is unreachable",
    "Connection refused",
    "Could not fetch URL",
)


class Refused(Exception):
    """A problem that only the user can solve; the message says how, `code` is the exit code."""

    def __init__(self, message, code=1):
        Exception.__init__(self, message)
        self.code = code


def dotted(version):
    """Return (3, 11) as "3.11"."""
    return ".".join(str(part) for part in version)


def runs(python, code):
    """Tell whether `python -c code` succeeds."""
    try:
        return subprocess.call([python, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def is_new_enough(python):
    """Tell whether this interpreter exists, works and is new enough."""
    return runs(python, "import sys; sys.exit(sys.version_info < {!r})".format(OLDEST))


def choose_python():
    """Return an interpreter that is new enough: this one, or one on PATH."""
    if sys.version_info >= OLDEST:
        return sys.executable
    for name in COMMANDS:
        found = shutil.which(name)
        if found and is_new_enough(found):
            return found
    raise Refused(
        "Python {} or newer is needed, this is {}: install it (Debian, Ubuntu: sudo apt install python3.11 "
        "python3.11-venv) and run this again, or name it: make PYTHON=/path/to/python3.11 ...".format(
            dotted(OLDEST), dotted(sys.version_info[:3])
        ),
        2,
    )


def create_venv(python):
    """Create `.venv` with this interpreter, replacing a broken one."""
    if not runs(python, "import venv, ensurepip"):
        raise Refused(
            "Python's venv module is missing: install python3-venv (Debian, Ubuntu: sudo apt install "
            "python3-venv) and run this again."
        )
    print("Creating .venv ...", flush=True)
    result = subprocess.run(
        [python, "-m", "venv", "--clear", VENV], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if result.returncode:
        last = result.stdout.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise Refused("The virtual environment .venv could not be created: {}".format("".join(last)))


def refuse_shared_venv():
    """Refuse a `.venv` that is a symbolic link: creating or installing would change what it points to."""
    if os.path.islink(VENV):
        raise Refused(
            "`.venv` is a symbolic link to {}, which belongs to another folder: remove the link (rm .venv) and "
            "run this again.".format(os.path.realpath(VENV))
        )


def venv_works():
    """Tell whether `.venv` has a Python that is new enough, and pip, and was made in this folder."""
    # The commands in a virtual environment contain its path: they do not work after it was moved or copied.
    moved = installed().get("folder", ROOT) != ROOT
    return not moved and is_new_enough(VENV_PYTHON) and runs(VENV_PYTHON, "import pip")


def fingerprint(names):
    """Return a hash of these files."""
    digest = hashlib.sha256()
    for name in names:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def wanted(development):
    """Return the fingerprint of each requirements file that must be installed."""
    files = {RUNTIME: fingerprint([RUNTIME, "constraints.txt"])}
    if development:
        files[DEVELOPMENT] = fingerprint([RUNTIME, DEVELOPMENT, "constraints.txt"])
    return files


def installed():
    """Return the fingerprints of what was installed last."""
    try:
        with open(STAMP) as file:
            return dict(json.load(file))
    except (OSError, ValueError):
        return {}


def explain(log):
    """Return one sentence about why pip failed."""
    if any(sign in log for sign in NETWORK_SIGNS):
        return "No network: pip cannot reach its package index; connect this machine and run this again."
    errors = [line[len("ERROR: ") :] for line in log.splitlines() if line.startswith("ERROR: ")]
    return "pip could not install the requirements: {}".format(errors[-1] if errors else "it gave no reason")


def install(development):
    """Install the pinned requirements, unless the same ones were installed before."""
    files = wanted(development)
    before = installed()
    if all(before.get(name) == value for name, value in files.items()):
        return
    print("Installing the requirements (a minute or two, only when they change) ...", flush=True)
    command = [VENV_PYTHON, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    command += ["-r", DEVELOPMENT if development else RUNTIME]
    with open(LOG, "wb") as log:
        code = subprocess.call(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
    if code:
        with open(LOG, encoding="utf-8", errors="replace") as log:
            raise Refused("{} (All that pip said: .venv/install.log)".format(explain(log.read())))
    if not development:
        before.pop(DEVELOPMENT, None)
    before.update(files, folder=ROOT)
    with open(STAMP, "w") as file:
        json.dump(before, file)


def main(arguments):
    """Prepare `.venv`, with `--dev` also for tests; return the exit code."""
    try:
        python = choose_python()
        refuse_shared_venv()
        if not venv_works():
            create_venv(python)
        install("--dev" in arguments)
    except Refused as refusal:
        sys.stderr.write("{}\n".format(refusal))
        return refusal.code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
