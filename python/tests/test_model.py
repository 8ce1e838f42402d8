"""The stored model must belong to the features that the code computes."""

import unittest

import films  # noqa: F401  puts the package on the path
from heaters_media.gradual_features import GRADUAL_FEATURES, QUICK_FEATURES
from heaters_media.hard_cuts import HARD_FEATURES
from heaters_media.model import load_model


class StoredModel(unittest.TestCase):
    def test_it_was_trained_on_the_features_that_the_code_gives_in_their_order(self) -> None:
        ensembles = load_model().ensembles
        self.assertEqual(ensembles["hard"].features, HARD_FEATURES)
        self.assertEqual(ensembles["gradual"].features, GRADUAL_FEATURES)
        self.assertEqual(ensembles["firstLook"].features, QUICK_FEATURES)


if __name__ == "__main__":
    unittest.main()
