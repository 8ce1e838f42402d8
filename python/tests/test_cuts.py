"""The pure decision from scored candidates to cuts."""

import unittest

import films  # noqa: F401  puts the package on the path
from heaters_media.candidates import CutKind
from heaters_media.cuts import CutParams, ScoredCandidate, select_cuts


def candidate(kind: CutKind, frame: int, score: float, reach: int = 0) -> ScoredCandidate:
    return ScoredCandidate(kind, frame, frame - reach, frame + reach, score)


def selected(candidates: list[ScoredCandidate], frame_count: int = 1000) -> list[int]:
    return [cut.frame for cut in select_cuts(candidates, frame_count, CutParams())]


class SelectCuts(unittest.TestCase):
    def test_nothing_gives_nothing(self) -> None:
        self.assertEqual(selected([]), [])

    def test_unlikely_candidates_are_left_out(self) -> None:
        self.assertEqual(selected([candidate("cut", 50, 0.1), candidate("cut", 90, 0.9)]), [90])

    def test_cuts_come_in_order_and_inside_the_film(self) -> None:
        edges = [candidate("cut", frame, 0.9) for frame in (700, 0, 300, 1000)]
        self.assertEqual(selected(edges), [300, 700])

    def test_of_two_cuts_too_close_the_likelier_stays(self) -> None:
        self.assertEqual(selected([candidate("cut", 50, 0.8), candidate("cut", 52, 0.95)]), [52])

    def test_overlapping_descriptions_of_one_dissolve_are_one_cut(self) -> None:
        self.assertEqual(selected([candidate("dissolve", 50, 0.8, 10), candidate("fade", 55, 0.9, 12)]), [55])

    def test_two_parts_of_one_dissolve_are_one_cut(self) -> None:
        parts = [candidate("dissolve", 39, 0.7, 4), candidate("dissolve", 50, 0.99, 6)]
        whole = candidate("dissolve", 47, 0.9, 12)
        self.assertEqual(selected(parts), [39, 50])
        self.assertEqual(selected([*parts, whole]), [50])

    def test_dissolves_that_touch_but_do_not_overlap_are_two_cuts(self) -> None:
        self.assertEqual(selected([candidate("dissolve", 50, 0.8, 6), candidate("dissolve", 62, 0.9, 6)]), [50, 62])

    def test_a_hard_cut_outranks_the_gradual_one_around_it(self) -> None:
        self.assertEqual(selected([candidate("cut", 50, 0.7), candidate("dissolve", 53, 0.99, 8)]), [50])

    def test_a_gradual_change_at_the_very_edge_of_the_film_is_none(self) -> None:
        self.assertEqual(selected([candidate("fade", 2, 0.99, 2), candidate("fade", 998, 0.99, 2)]), [])


if __name__ == "__main__":
    unittest.main()
