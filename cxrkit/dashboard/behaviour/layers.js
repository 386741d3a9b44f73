// Shows the map that a reader asks for in the next frame, while the server is still writing what stands beside it.
// All maps lie in the chart; `.cx-layers` says which one the server has shown, and how. Until it says what was asked
// for, a style sheet here overrules its own, and what is written about the former map is dimmed.
(() => {
  if (window.cxLayers) return;
  window.cxLayers = true;
  const PATIENCE = 5000;
  const sheet = document.head.appendChild(document.createElement("style"));
  let asked = null, timer = 0;

  const served = () => [...document.querySelectorAll(".cx-layers")].pop();
  const done = () => { asked = null; sheet.textContent = ""; clearTimeout(timer); };
  const agrees = (now) => now.dataset.finding === asked.finding && now.dataset.opacity === asked.opacity;

  function show(change) {
    const now = served();
    if (!now) return;
    asked = { finding: now.dataset.finding, opacity: now.dataset.opacity, ...asked, ...change };
    if (agrees(now)) return done();
    const layers = JSON.parse(now.dataset.layers), layer = layers[asked.finding];
    const here = ".st-key-viewport.st-key-viewport";
    const rules = [`${here} image:nth-of-type(n+2), ${here} .scatterlayer .trace { opacity: 0 !important; }`];
    if (layer && !now.dataset.hidden) {
      rules.push(`${here} image:nth-of-type(${layer}) { opacity: ${asked.opacity} !important; }`);
      if (now.dataset.contour) rules.push(`${here} .scatterlayer .trace:nth-of-type(${layer}) { opacity: 1 !important; }`);
    }
    if (asked.finding !== now.dataset.finding) rules.push(".cx-caption, .cx-side-title { opacity: 0.35; }");
    sheet.textContent = rules.join("\n");
    clearTimeout(timer);
    timer = setTimeout(done, PATIENCE);
  }

  function beside(step) {
    const rows = [...document.querySelectorAll(".cx-row")].map((row) => row.closest("[class*='st-key-row_']"));
    const names = rows.filter(Boolean).map((row) => row.className.match(/st-key-row_(\S+)/)[1]);
    const now = served(), at = now ? names.indexOf(asked?.finding ?? now.dataset.finding) : -1;
    if (at >= 0) show({ finding: names[(at + step + names.length) % names.length] });
  }

  document.addEventListener("click", (event) => {
    const place = event.target.closest?.("[class*='st-key-show_'], .st-key-next_finding, .st-key-previous_finding");
    if (!place || !event.target.closest("button")) return;
    const row = place.className.match(/st-key-show_(\S+)/);
    if (row) show({ finding: row[1] });
    else beside(place.className.includes("st-key-next_finding") ? 1 : -1);
  }, true);

  document.addEventListener("keydown", (event) => {
    const step = { j: 1, k: -1 }[event.key];
    const typing = event.target.closest?.("input, textarea, select, [contenteditable], [role=combobox]");
    if (!step || typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (served()?.dataset.keys) beside(step);
  }, true);

  const slider = (target) => target?.closest?.(".st-key-map_opacity")?.querySelector("input[type=range]");
  const slid = (target) => {
    const field = slider(target);
    if (field) show({ opacity: (Number(field.value) / 100).toFixed(2) });
  };
  document.addEventListener("input", (event) => slid(event.target), true);
  new MutationObserver((changes) => {
    if (changes.some((change) => change.type === "attributes" && slider(change.target))) slid(changes[0].target);
    const now = asked && served();
    if (now && agrees(now)) done();
  }).observe(document.body, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["data-finding", "data-opacity", "aria-valuenow", "aria-valuetext", "value"],
  });
})();
