// Sets the theme before the page is drawn: the reader's choice, or that of the system.
(() => {
  const chosen = localStorage.getItem('ilp-connector.theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
})();
