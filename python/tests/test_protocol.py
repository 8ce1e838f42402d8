"""The process as Node sees it: one request line in, typed messages out."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

import films
from heaters_media.geometry import ANALYSIS_HEIGHT, ANALYSIS_WIDTH, FRAME_BYTES


PACKAGE_ROOT = Path(__file__).resolve().parents[1]


def request(**changes: Any) -> dict[str, Any]:
    return {
        "v": 1, "type": "detect-scenes", "width": ANALYSIS_WIDTH, "height": ANALYSIS_HEIGHT,
        "frameRate": {"num": 25, "den": 1}, "pixelFormat": "yuv420p", "framesPath": "/nowhere",
        "expectedFrames": None, **changes,
    }


def converse(line: str, pass_fds: tuple[int, ...] = ()) -> tuple[int, list[dict[str, Any]]]:
    done = subprocess.run(
        [sys.executable, "-m", "heaters_media", "detect-scenes"], input=line, text=True,
        capture_output=True, cwd=PACKAGE_ROOT, pass_fds=pass_fds, timeout=60,
    )
    return done.returncode, [json.loads(reply) for reply in done.stdout.splitlines()]


def converse_about(raw: bytes, **changes: Any) -> tuple[int, list[dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.raw"
        path.write_bytes(raw)
        return converse(json.dumps(request(framesPath=str(path), **changes)) + "\n")


class Protocol(unittest.TestCase):
    def assert_error(self, answer: tuple[int, list[dict[str, Any]]], code: str, word: str = "") -> None:
        exit_code, messages = answer
        self.assertNotEqual(exit_code, 0)
        self.assertEqual(len(messages), 1)
        self.assertEqual((messages[0]["v"], messages[0]["type"], messages[0]["code"]), (1, "error", code))
        self.assertIn(word, messages[0]["message"])

    def test_rubbish_is_a_bad_request(self) -> None:
        for line in ("", "hello\n", "[1,2]\n", "{}\n", '"x"\n'):
            with self.subTest(line=line):
                self.assert_error(converse(line), "bad-request")

    def test_another_protocol_version_is_named(self) -> None:
        self.assert_error(converse(json.dumps(request(v=2)) + "\n"), "bad-request", "version 2")

    def test_wrong_fields_are_bad_requests(self) -> None:
        wrong: list[tuple[str, Any]] = [
            ("type", "detect-cats"), ("width", 128), ("height", "54"), ("pixelFormat", "bgr24"),
            ("frameRate", {"num": 25}), ("frameRate", 25), ("framesPath", ""), ("framesPath", "fd:x"),
            ("expectedFrames", -3), ("params", {"minHardScore": "high"}), ("params", [1]),
            ("params", {"unknown": 1}),
        ]
        for name, value in wrong:
            with self.subTest(name=name, value=value):
                self.assert_error(converse(json.dumps(request(**{name: value})) + "\n"), "bad-request")

    def test_frames_that_are_not_there_are_a_bad_request(self) -> None:
        self.assert_error(converse(json.dumps(request()) + "\n"), "bad-request", "/nowhere")

    def test_a_frame_cut_short_is_told(self) -> None:
        self.assert_error(converse_about(bytes(FRAME_BYTES * 3 + 100)), "truncated-frame", "frame 3")

    def test_no_frames_are_told(self) -> None:
        self.assert_error(converse_about(b""), "no-frames")

    def test_a_film_gives_one_result_with_its_cuts(self) -> None:
        raw = b"".join(batch.tobytes() for batch in films.as_batches(films.still(1, 30) + films.still(2, 30)))
        exit_code, messages = converse_about(raw, expectedFrames=60)
        self.assertEqual(exit_code, 0)
        result = messages[-1]
        self.assertEqual((result["type"], result["frameCount"]), ("result", 60))
        self.assertEqual([(cut["frame"], cut["kind"]) for cut in result["cuts"]], [(30, "cut")])

    def test_frames_come_through_an_inherited_descriptor(self) -> None:
        raw = b"".join(batch.tobytes() for batch in films.as_batches(films.still(3, 4)))
        read_end, write_end = os.pipe()
        try:
            os.write(write_end, raw)
            os.close(write_end)
            exit_code, messages = converse(json.dumps(request(framesPath=f"fd:{read_end}")) + "\n", (read_end,))
        finally:
            os.close(read_end)
        self.assertEqual((exit_code, messages[-1]["frameCount"]), (0, 4))


if __name__ == "__main__":
    unittest.main()
