"""Runs one PySceneDetect detector on one video, for `bench/scenes.bench.ts` to compare with.

    python bench/films/peers.py DETECTOR VIDEO

Prints one line of JSON: `{"cuts": [first frame of each new shot]}`. Needs the package
`scenedetect`, which only the bench uses. Defaults throughout, as its own users run it.
"""

import json
import sys

from scenedetect import AdaptiveDetector, ContentDetector, HistogramDetector, detect

DETECTORS = {"content": ContentDetector, "adaptive": AdaptiveDetector, "hist": HistogramDetector}


def main() -> None:
    """Runs the detector that the command line names."""
    scenes = detect(sys.argv[2], DETECTORS[sys.argv[1]]())
    print(json.dumps({"cuts": [start.frame_num for start, _ in scenes[1:]]}))


if __name__ == "__main__":
    main()
