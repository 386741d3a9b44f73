// Figures are drawn on the server in the inks of a dark or a light page, which `.cx-inked` names. When the page looks
// otherwise it is asked for anew, once for each turn.
(() => {
  if (window.cxTheme) return window.cxTheme();
  const app = document.querySelector("[data-testid=stApp]");
  let asked = "";
  window.cxTheme = () => {
    const now = getComputedStyle(app).colorScheme, drawn = document.querySelector(".cx-inked")?.dataset.scheme;
    if (!drawn || drawn === now) asked = "";
    else if (asked !== now) {
      asked = now;
      document.querySelector(".st-key-theme_turned button")?.click();
    }
  };
  new MutationObserver(window.cxTheme).observe(app, { attributes: true, attributeFilter: ["class"] });
  window.cxTheme();
})();
