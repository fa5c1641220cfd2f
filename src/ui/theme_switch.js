// Dark or light, as the reader chooses. theme.js sets it before the page is drawn.

export function switchTheme() {
  const root = document.documentElement;
  const isDark = getComputedStyle(root).colorScheme.startsWith('dark');
  root.dataset.theme = isDark ? 'light' : 'dark';
  localStorage.setItem('ilp-connector.theme', root.dataset.theme);
}
