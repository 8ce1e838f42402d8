"""Pictures and words become vectors: by a small model of the project's own, through the code that runs CLIP."""

import io
import json
import tempfile
import unittest
from pathlib import Path

import cv2
import numpy as np
from heaters_media.clip_model import ClipModel
from heaters_media.embed import serve
from heaters_media.protocol import MessageWriter, ProtocolError

from small_model import make_small_model

RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)


class Embed(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        make_small_model(self.folder)

    def picture(self, name: str, colour: tuple[int, int, int], shape: tuple[int, int] = (90, 160)) -> str:
        path = self.folder / name
        cv2.imwrite(str(path), np.full((*shape, 3), colour, np.uint8))
        return str(path)

    def answers(self, *requests: object) -> list[dict]:
        out = io.StringIO()
        lines = [one if isinstance(one, str) else json.dumps({"v": 1, **one}) for one in requests]
        serve(lines, MessageWriter(out), str(self.folder))
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def test_a_text_is_nearest_to_the_picture_that_it_describes(self) -> None:
        clips = [[self.picture("r.png", RED)], [self.picture("g.webp", GREEN)], [self.picture("b.jpg", BLUE)]]
        ready, pictures, *texts = self.answers(
            {"type": "embed-clips", "clips": clips},
            *({"type": "embed-text", "text": text} for text in ("Red", "a green thing", "blue")),
        )
        self.assertEqual((ready["type"], ready["name"], ready["dimensions"]), ("ready", "colours", 4))
        rows = np.array(pictures["vectors"])
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
        for index, text in enumerate(texts):
            self.assertEqual(int(np.argmax(rows @ np.array(text["vectors"][0]))), index)

    def test_a_clip_is_the_mean_direction_of_its_pictures_in_any_number_and_shape(self) -> None:
        red, tall = self.picture("r.png", RED), self.picture("t.png", RED, (400, 30))
        mixed = [red] * 9 + [tall] * 20
        _, answer = self.answers({"type": "embed-clips", "clips": [[red], mixed, [red, self.picture("g.png", GREEN)]]})
        one, many, both = np.array(answer["vectors"])
        np.testing.assert_allclose(one, many, atol=1e-5)
        self.assertLess(float(one @ both), 0.999)
        self.assertGreater(float(one @ both), 0)

    def test_a_picture_to_look_for_gets_the_vector_of_a_clip_that_shows_it_and_a_thumbnail(self) -> None:
        path, thumbnail = self.picture("large.png", GREEN, (900, 1600)), self.folder / "thumbnail.webp"
        _, clip, picture = self.answers(
            {"type": "embed-clips", "clips": [[path]]},
            {"type": "embed-picture", "path": path, "thumbnailPath": str(thumbnail)},
        )
        np.testing.assert_allclose(clip["vectors"], picture["vectors"], atol=1e-5)
        self.assertEqual(cv2.imread(str(thumbnail)).shape, (180, 320, 3))

    def test_a_bad_request_is_answered_and_the_next_one_is_served(self) -> None:
        (self.folder / "no.png").write_text("no picture")
        _, *answers = self.answers(
            "rubbish",
            {"type": "embed-clips", "clips": []},
            {"type": "embed-clips", "clips": [[str(self.folder / "no.png")]]},
            {"type": "embed-text", "text": " "},
            {"type": "embed-text", "text": "blue " * 500},
        )
        codes = [answer.get("code", answer["type"]) for answer in answers]
        self.assertEqual(codes, ["bad-request", "bad-request", "bad-picture", "bad-request", "vectors"])

    def test_a_model_that_is_not_whole_or_not_itself_is_refused(self) -> None:
        vision = self.folder / "vision.onnx"
        vision.write_bytes(vision.read_bytes() + b" ")
        with self.assertRaisesRegex(ProtocolError, "vision is not the one"):
            ClipModel(self.folder)
        vision.unlink()
        with self.assertRaisesRegex(ProtocolError, "vision is missing"):
            ClipModel(self.folder)
        (self.folder / "model.json").unlink()
        with self.assertRaisesRegex(ProtocolError, "npm run model"):
            ClipModel(self.folder)


if __name__ == "__main__":
    unittest.main()
