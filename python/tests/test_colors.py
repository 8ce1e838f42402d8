"""Which colours are found in pictures, and with which share."""

import io
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
from heaters_media.__main__ import main
from heaters_media.colors import palette
from heaters_media.pictures import read_picture
from heaters_media.protocol import ProtocolError


def plain(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((90, 160, 3), (blue, green, red), np.uint8)


class Colours(unittest.TestCase):
    def test_each_colour_has_its_share_of_the_pictures_together(self) -> None:
        mixed = plain(200, 30, 30)
        mixed[:, 40:] = (180, 60, 20)
        found = palette([mixed, plain(20, 60, 180)])
        self.assertEqual(len(found), 2)
        self.assertAlmostEqual(found[0].share, 0.875, delta=0.02)
        self.assertAlmostEqual(found[1].share, 0.125, delta=0.02)
        for swatch, wanted in zip(found, [(20, 60, 180), (200, 30, 30)], strict=True):
            given = [int(swatch.color[at : at + 2], 16) for at in (1, 3, 5)]
            self.assertTrue(all(abs(one - other) <= 6 for one, other in zip(given, wanted, strict=True)), swatch.color)

    def test_a_picture_of_one_colour_has_one_and_the_same_every_time(self) -> None:
        noise = np.random.default_rng(3).integers(0, 255, (90, 160, 3)).astype(np.uint8)
        self.assertEqual(len(palette([plain(10, 10, 10)])), 1)
        self.assertEqual(palette([noise]), palette([noise]))

    def test_the_process_answers_clip_by_clip(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "a.webp")
            cv2.imwrite(path, plain(0, 200, 0))
            request = json.dumps({"v": 1, "type": "palettes", "clips": [[path], [path, path]]})
            out = io.StringIO()
            with patch("sys.stdin", io.StringIO(request)), patch("sys.stdout", out):
                self.assertEqual(main(["palettes"]), 0)
        answers = [json.loads(line) for line in out.getvalue().splitlines()]
        self.assertEqual([answer["type"] for answer in answers], ["palette", "palette"])
        self.assertEqual(answers[0]["swatches"][0]["share"], 1)


class Pictures(unittest.TestCase):
    def test_a_picture_with_too_many_pixels_is_not_decoded(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "large.png")
            cv2.imwrite(path, np.zeros((500, 500, 3), np.uint8))
            code = "import sys; from heaters_media.pictures import read_picture; read_picture(sys.argv[1])"
            limited = {**os.environ, "OPENCV_IO_MAX_IMAGE_PIXELS": "100000"}
            ended = subprocess.run([sys.executable, "-c", code, path], env=limited, capture_output=True, text=True)
            self.assertIn("can’t be read", ended.stderr)
            self.assertEqual(read_picture(path).shape, (500, 500, 3))

    def test_what_is_no_picture_is_a_typed_failure(self) -> None:
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            file.write(b"\x89PNG\r\n\x1a\nrubbish")
            file.flush()
            with self.assertRaisesRegex(ProtocolError, "JPEG, PNG or WebP"):
                read_picture(file.name)


if __name__ == "__main__":
    unittest.main()
