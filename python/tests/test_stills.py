"""Which frames represent a clip, and what is written of them."""

import io
import tempfile
import unittest
from pathlib import Path

import cv2
import numpy as np
from heaters_media.protocol import ClipSpan, ProtocolError, StillsRequest, parse_stills_request
from heaters_media.stills import MOST_TILES, make_stills

WIDTH, HEIGHT = 640, 360
rng = np.random.default_rng(7)
DETAIL = rng.integers(40, 215, (HEIGHT // 4, WIDTH // 4)).astype(np.uint8).repeat(4, 0).repeat(4, 1)


def frame(luma: np.ndarray) -> bytes:
    return luma.astype(np.uint8).tobytes() + bytes([128]) * (WIDTH * HEIGHT // 2)


SHARP = frame(DETAIL)
BLURRED = frame(cv2.GaussianBlur(DETAIL, (0, 0), 8))
BLACK = frame(np.full((HEIGHT, WIDTH), 16))


def stills_of(frames: list[bytes], spans: list[tuple[int, int]], first_frame: int = 0):
    with tempfile.TemporaryDirectory() as folder:
        clips = [ClipSpan(index + 1, *span) for index, span in enumerate(spans)]
        request = StillsRequest("-", folder, WIDTH, HEIGHT, first_frame, clips)
        made = list(make_stills(io.BytesIO(b"".join(frames)), request))
        pictures = {path.name: cv2.imread(str(path)) for path in Path(folder).iterdir()}
    return made, pictures


class Stills(unittest.TestCase):
    def test_the_sharp_frame_near_a_place_is_taken(self) -> None:
        frames = [BLURRED] * 100
        for sharp in (21, 58, 70):
            frames[sharp] = SHARP
        made, _ = stills_of(frames, [(0, 100)])
        self.assertEqual(made[0].frames, [21, 58, 70])

    def test_no_black_frame_represents_a_clip_that_has_others(self) -> None:
        # Black noise may have more detail than a soft picture: it shows nothing all the same.
        frames = [BLACK] * 60 + [BLURRED] * 40
        made, pictures = stills_of(frames, [(0, 100)])
        self.assertTrue(all(chosen >= 60 for chosen in made[0].frames), made[0].frames)
        self.assertGreater(pictures["1-0-small.webp"].mean(), 60)
        made, _ = stills_of([BLACK] * 30, [(0, 30)])
        self.assertGreaterEqual(len(made[0].frames), 1)

    def test_files_sizes_and_strip(self) -> None:
        made, pictures = stills_of([SHARP] * 45, [(10, 40), (40, 43), (43, 44)], first_frame=0)
        self.assertEqual([len(one.frames) for one in made], [3, 3, 1])
        self.assertEqual([one.tile_count for one in made], [MOST_TILES, 3, 1])
        self.assertEqual(pictures["1-0.webp"].shape, (360, 640, 3))
        self.assertEqual(pictures["1-2-small.webp"].shape, (180, 320, 3))
        self.assertEqual(pictures["1-strip.webp"].shape, (90, 160 * MOST_TILES, 3))
        self.assertIn("3-0.webp", pictures)
        self.assertRegex(made[0].blurhash, r"^[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{28}$")
        for one, (start, end) in zip(made, [(10, 40), (40, 43), (43, 44)], strict=True):
            self.assertTrue(all(start <= chosen < end for chosen in one.frames))

    def test_missing_frames_are_a_typed_failure(self) -> None:
        with self.assertRaisesRegex(ProtocolError, "frames end at 20"):
            stills_of([SHARP] * 20, [(0, 30)])

    def test_a_bad_request_says_what_is_wrong(self) -> None:
        good = '{"v":1,"type":"make-stills","framesPath":"f","outFolder":"o","width":64,"height":36,"firstFrame":0,"clips":[%s]}'
        clip = '{"id":1,"startFrame":0,"endFrame":5}'
        self.assertEqual(parse_stills_request(good % clip).clips, [ClipSpan(1, 0, 5)])
        for clips, words in [("", "at least one"), (f"{clip},{clip}", "in order"), ('{"id":1}', "at least one frame")]:
            with self.assertRaisesRegex(ProtocolError, words):
                parse_stills_request(good % clips)
        with self.assertRaisesRegex(ProtocolError, "even numbers"):
            parse_stills_request((good % clip).replace("64", "63"))


if __name__ == "__main__":
    unittest.main()
