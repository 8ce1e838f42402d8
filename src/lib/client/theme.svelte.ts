import { THEME_COOKIE, toTheme, type Theme } from '#lib/core/theme.ts';

const ONE_YEAR_SECONDS = 365 * 24 * 3600;

let chosen = $state<Theme>(typeof document === 'undefined' ? 'system' : toTheme(document.documentElement.dataset.theme));

/** The theme of this browser; reactive. */
export function currentTheme(): Theme {
  return chosen;
}

/** Shows a theme and keeps it for the next visit. */
export function chooseTheme(theme: Theme): void {
  chosen = theme;
  document.documentElement.dataset.theme = theme;
  document.cookie = `${THEME_COOKIE}=${theme}; path=/; max-age=${ONE_YEAR_SECONDS}; samesite=lax`;
}
