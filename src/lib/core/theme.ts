/** What people can choose; `system` follows the device. */
export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** The cookie that keeps the choice, so that the server's first answer already has the right colours. */
export const THEME_COOKIE = 'theme';

/** The theme that a cookie or attribute names; `system` for anything else. */
export function toTheme(text: string | undefined): Theme {
  return THEMES.find((theme) => theme === text) ?? 'system';
}
