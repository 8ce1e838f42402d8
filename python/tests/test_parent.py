"""A media process ends with the process that started it, also one that waits at a FIFO."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parents[1]

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "heaters_media", "make-stills"], stdin=subprocess.PIPE)
child.stdin.write(sys.argv[1].encode() + b"\\n")
child.stdin.flush()
print(child.pid, flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Where nobody reaps orphans, a dead one stays listed.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


class Parent(unittest.TestCase):
    def test_a_process_whose_parent_is_killed_ends_although_it_waits_at_a_fifo(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            fifo = os.path.join(folder, "frames.yuv")
            os.mkfifo(fifo)
            clip = {"id": 1, "startFrame": 0, "endFrame": 5}
            request = json.dumps({
                "v": 1, "type": "make-stills", "framesPath": fifo, "outFolder": folder,
                "width": 64, "height": 36, "firstFrame": 0, "clips": [clip],
            })
            parent = subprocess.Popen(
                [sys.executable, "-c", PARENT, request], stdout=subprocess.PIPE, text=True, cwd=PACKAGE_ROOT,
            )
            assert parent.stdout is not None
            with parent.stdout:
                pid = int(parent.stdout.readline())
                time.sleep(1.5)
                self.assertTrue(is_alive(pid), "it ended although its parent lives")
                parent.send_signal(signal.SIGKILL)
                parent.wait()
            deadline = time.monotonic() + 20
            while is_alive(pid) and time.monotonic() < deadline:
                time.sleep(0.1)
            alive = is_alive(pid)
            if alive:
                os.kill(pid, signal.SIGKILL)
            self.assertFalse(alive, "it outlived its parent")


if __name__ == "__main__":
    unittest.main()
