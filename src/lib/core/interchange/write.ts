import type { CutList, CutListFormat, Written } from '#lib/core/interchange/cut-list.ts';
import { writeCsv } from '#lib/core/interchange/write-csv.ts';
import { writeEdl } from '#lib/core/interchange/write-edl.ts';
import { writeFcpxml } from '#lib/core/interchange/write-fcpxml.ts';
import { writeOtio } from '#lib/core/interchange/write-otio.ts';

interface Format {
  readonly label: string;
  readonly contentType: string;
  readonly write: (list: CutList) => Written;
}

/** The formats by their file extension. */
export const FORMATS: Readonly<Record<CutListFormat, Format>> = {
  otio: { label: 'OpenTimelineIO', contentType: 'application/json', write: writeOtio },
  edl: { label: 'EDL (CMX3600)', contentType: 'text/plain; charset=utf-8', write: writeEdl },
  fcpxml: { label: 'Final Cut Pro XML', contentType: 'application/xml', write: writeFcpxml },
  csv: { label: 'Table (CSV)', contentType: 'text/csv; charset=utf-8', write: writeCsv },
};
