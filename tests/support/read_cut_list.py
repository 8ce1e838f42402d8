"""Reads cut lists with OpenTimelineIO and prints what they say, as JSON: one object for each file of the request on stdin."""

import json
import sys
from fractions import Fraction

import opentimelineio as otio


def frames(time):
    """A time as (frames, rate)."""
    return [time.value, time.rate]


def describe(timeline):
    clips = []
    track = timeline.tracks[0]
    for clip in track.find_clips() if hasattr(track, "find_clips") else track.each_clip():
        placed = clip.range_in_parent()
        clips.append(
            {
                "name": clip.name,
                "sourceStart": frames(clip.source_range.start_time),
                "duration": frames(clip.source_range.duration),
                "recordStart": frames(placed.start_time),
                "url": getattr(clip.media_reference, "target_url", None),
                "metadata": json.loads(json.dumps(clip.metadata.get("heaters", {}), default=dict)),
                "markers": [
                    {
                        "text": marker.name or str(marker.metadata.get("cmx_3600", {}).get("comment", "")),
                        "start": frames(marker.marked_range.start_time),
                        "duration": frames(marker.marked_range.duration),
                    }
                    for marker in clip.markers
                ],
            }
        )
    return {"name": timeline.name, "clips": clips}


def exact_fcpx_times():
    """Has the reader of Final Cut Pro XML count in fractions: as it comes it counts in floats, at whole rates, and cuts off."""
    fcpx_xml = otio.adapters.from_name("fcpx_xml").module()

    def value(text):
        return Fraction((text or "0s").rstrip("s"))

    reader = fcpx_xml.FcpxXml

    def duration(self, format_id):
        return value(self._format_by_id(format_id).get("frameDuration"))

    reader._format_frame_rate = lambda self, format_id: Rate(1 / duration(self, format_id))
    reader._number_of_frames = lambda self, text, format_id: int(value(text) / duration(self, format_id))
    fcpx_xml.to_rational_time = lambda text, rate: otio.opentime.RationalTime(float(value(text) * rate.exact), rate)


class Rate(float):
    """A frame rate that knows its exact value."""

    def __new__(cls, exact):
        rate = super().__new__(cls, exact)
        rate.exact = exact
        return rate


def read(request):
    options = {"rate": request["rate"]} if request["adapter"] == "cmx_3600" else {}
    found = otio.adapters.read_from_string(request["text"], adapter_name=request["adapter"], **options)
    return describe(found if isinstance(found, otio.schema.Timeline) else found[0])


exact_fcpx_times()
print(json.dumps([read(request) for request in json.load(sys.stdin)]))
