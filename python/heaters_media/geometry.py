"""The one frame geometry that the detector is trained for.

Both sides of the protocol hold these numbers: ffmpeg scales to them, the detector
refuses anything else, because every learnt threshold depends on them.

Why 96 × 54 planar YUV 4:2:0:
- a moving edge is still resolved (a fast pan shifts by a few pixels a frame), yet
  grain, small text and compression noise are averaged away;
- decoders already give yuv420p, so no colour conversion is paid for;
- a frame is 7 776 bytes: eight fit into a default 64 KiB pipe, and a 10-hour film
  needs no more bandwidth than a small file copy.
The size is fixed, whatever the film's shape: a squeezed picture has the same cuts, and
one geometry keeps one model.
"""

ANALYSIS_WIDTH = 96
ANALYSIS_HEIGHT = 54
ANALYSIS_PIXEL_FORMAT = "yuv420p"

CHROMA_WIDTH = ANALYSIS_WIDTH // 2
CHROMA_HEIGHT = ANALYSIS_HEIGHT // 2
LUMA_BYTES = ANALYSIS_WIDTH * ANALYSIS_HEIGHT
CHROMA_BYTES = CHROMA_WIDTH * CHROMA_HEIGHT
FRAME_BYTES = LUMA_BYTES + 2 * CHROMA_BYTES

ANALYSIS_FILTER = (
    f"scale={ANALYSIS_WIDTH}:{ANALYSIS_HEIGHT}:flags=area,format={ANALYSIS_PIXEL_FORMAT}"
)
"""The ffmpeg filter that makes these frames. `area` averages every source pixel: the
cheaper `fast_bilinear` skips most of them, and the aliasing it leaves looks like motion."""
