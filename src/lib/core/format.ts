/** A length of time as people read it: `0:07`, `12:05`, `1:02:03`. */
export function formatDuration(durationMs: number): string {
  const total = Math.round(durationMs / 1000);
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** A number of bytes in the largest fitting unit, powers of 1000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** A length of time in its largest unit: `240 ms`, `4.2 s`, `12 min`, `3 h`, `5 d`. */
export function formatSpan(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  const units = [
    { name: 's', ms: 1000, most: 60 },
    { name: 'min', ms: 60_000, most: 60 },
    { name: 'h', ms: 3_600_000, most: 48 },
  ];
  for (const { name, ms, most } of units) {
    const value = durationMs / ms;
    if (value < most) return `${value < 10 && name === 's' ? value.toFixed(1) : Math.floor(value)} ${name}`;
  }
  return `${Math.floor(durationMs / 86_400_000)} d`;
}
