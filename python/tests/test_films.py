"""The detector on small drawn films: what is a cut, and above all what is none."""

import unittest

import cv2
import numpy as np

import films
from heaters_media.detect_scenes import Detection, detect_scenes
from heaters_media.protocol import ProtocolError


def detect(frames: list[films.Picture], **params: float) -> Detection:
    return detect_scenes(films.as_batches(frames), params)


def cut_frames(frames: list[films.Picture]) -> list[int]:
    return [cut.frame for cut in detect(frames).cuts]


class Cuts(unittest.TestCase):
    def test_a_hard_cut_is_found_at_the_exact_frame(self) -> None:
        self.assertEqual(cut_frames(films.still(1, 40) + films.still(2, 41) + films.still(3, 30)), [40, 81])

    def test_a_hard_cut_between_moving_shots_is_exact(self) -> None:
        self.assertEqual(cut_frames(films.pan(4, 50, 2) + films.pan(5, 50, 3)), [50])

    def test_the_result_does_not_depend_on_how_the_frames_arrive(self) -> None:
        frames = films.still(1, 333) + films.dissolve(films.still(2, 60), films.still(3, 200), 12) + films.still(4, 300)
        whole = detect_scenes(films.as_batches(frames, 1000)).cuts
        pieces = detect_scenes(films.as_batches(frames, 7)).cuts
        self.assertEqual(whole, pieces)
        self.assertEqual(len(whole), 3)

    def test_a_dissolve_gives_one_cut_inside_it(self) -> None:
        for length in (8, 12, 24, 36):
            with self.subTest(length=length):
                found = cut_frames(films.dissolve(films.still(6, 60), films.still(7, 60), length))
                self.assertEqual(len(found), 1)
                self.assertTrue(60 - length - 2 <= found[0] <= 62, found)

    def test_a_fade_through_black_gives_one_cut_inside_it(self) -> None:
        for length in (5, 10, 20):
            with self.subTest(length=length):
                found = cut_frames(films.fade_out(films.still(8, 60), length) + films.fade_in(films.still(9, 60), length))
                self.assertEqual(len(found), 1)
                self.assertTrue(60 - length <= found[0] <= 60 + length, found)

    def test_a_long_black_between_two_shots_is_one_cut(self) -> None:
        black = [np.zeros_like(films.scene(1))] * 400
        found = cut_frames(films.still(8, 60) + black + films.still(9, 60))
        self.assertEqual(found, [460])


class NoCuts(unittest.TestCase):
    def test_a_static_film_has_none(self) -> None:
        self.assertEqual(cut_frames(films.still(10, 300)), [])

    def test_a_flash_is_none(self) -> None:
        for length in (1, 2, 3):
            with self.subTest(length=length):
                shot = films.still(11, 80)
                for index in range(40, 40 + length):
                    shot[index] = films.mix(shot[index], np.full_like(shot[index], 255), 0.9)
                self.assertEqual(cut_frames(shot), [])

    def test_a_fast_pan_is_none(self) -> None:
        self.assertEqual(cut_frames(films.pan(12, 60, 8)), [])

    def test_a_whip_pan_between_stills_of_one_place_is_none(self) -> None:
        sweep = films.pan(13, 20, 12)
        self.assertEqual(cut_frames([sweep[0]] * 40 + sweep + [sweep[-1]] * 40), [])

    def test_handheld_tremor_is_none(self) -> None:
        wide, rng = films.scene(14, films.WIDE_WIDTH), np.random.default_rng(5)
        lefts = (100 + np.cumsum(rng.normal(0, 2.5, 200))).astype(int)
        frames = [wide[:, left : left + 96].copy() for left in lefts]
        self.assertEqual(cut_frames(frames), [])

    def test_a_large_passing_object_is_none(self) -> None:
        shot = films.still(15, 90)
        for step, left in enumerate(range(-60, 100, 8)):
            low, high = max(left, 0), min(left + 60, 96)
            if low < high:
                shot[30 + step][8:, low:high] = (20, 40, 200)
        self.assertEqual(cut_frames(shot), [])

    def test_a_jump_of_exposure_is_none(self) -> None:
        shot = films.still(16, 80)
        bright = [cv2.convertScaleAbs(frame, alpha=1.35) for frame in shot[40:]]
        self.assertEqual(cut_frames(shot[:40] + bright), [])

    def test_repeated_frames_are_none(self) -> None:
        shot = films.pan(17, 120, 2)
        self.assertEqual(cut_frames([shot[i - i // 5] for i in range(120)]), [])

    def test_an_opening_and_a_closing_fade_are_none(self) -> None:
        self.assertEqual(cut_frames(films.fade_in(films.fade_out(films.still(18, 120), 25), 25)), [])

    def test_black_before_and_after_the_film_is_none(self) -> None:
        black = [np.zeros_like(films.scene(1))] * 300
        self.assertEqual(cut_frames(black + films.still(19, 90) + black), [])

    def test_a_caption_that_fades_in_is_none(self) -> None:
        shot = films.still(20, 100)
        text = np.zeros_like(shot[0])
        cv2.putText(text, "HELLO", (8, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
        frames = [cv2.add(f, cv2.convertScaleAbs(text, alpha=min(max((i - 40) / 10, 0), 1))) for i, f in enumerate(shot)]
        self.assertEqual(cut_frames(frames), [])


class Edges(unittest.TestCase):
    def test_films_of_one_and_two_frames_have_no_cut(self) -> None:
        self.assertEqual(detect(films.still(21, 1)).frame_count, 1)
        self.assertEqual(cut_frames(films.still(21, 1)), [])
        self.assertEqual(cut_frames(films.still(21, 2)), [])

    def test_very_short_films_do_not_break_it(self) -> None:
        for length in range(3, 12):
            self.assertEqual(cut_frames(films.pan(22, length, 2)), [])

    def test_an_empty_film_is_a_typed_error(self) -> None:
        with self.assertRaises(ProtocolError) as caught:
            detect_scenes([])
        self.assertEqual(caught.exception.code, "no-frames")

    def test_an_unknown_parameter_is_a_typed_error_that_names_the_known(self) -> None:
        with self.assertRaises(ProtocolError) as caught:
            detect(films.still(1, 5), shinyness=1)
        self.assertEqual(caught.exception.code, "bad-request")
        self.assertIn("minHardScore", caught.exception.message)

    def test_the_result_names_every_parameter_in_force(self) -> None:
        params = detect(films.still(1, 5), minHardScore=0.7).params
        self.assertEqual(params["minHardScore"], 0.7)
        self.assertEqual(params["detector"], "heaters-scenes")
        self.assertIn("version", params)


if __name__ == "__main__":
    unittest.main()
