// Before the first paint: the colours and the language that were chosen here. No module, so that it
// runs while the head is read; without storage the page follows the system.
(() => {
  try {
    const theme = localStorage.getItem("ayes:theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    const language = localStorage.getItem("ayes:language");
    if (language) document.documentElement.lang = language;
  } catch {
    // Storage is off.
  }
})();
