/** A URL in a text for a log: its query may open an object to whoever reads it. */
const URLS = /https?:\/\/[^\s'"]+/g;

/** A text whose URLs are replaced by the names of their files. */
export function withoutUrls(text: string): string {
  return text.replaceAll(URLS, (url) => /([^/?#]*)(?:[?#].*)?$/.exec(url)?.[1] ?? '');
}
