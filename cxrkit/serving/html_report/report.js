"use strict";
// Charts are drawn when they come near the window: a report may hold two hundred.
(() => {
  const config = JSON.parse(document.getElementById("chart-config").textContent);
  const plots = Array.from(document.querySelectorAll(".plot"));
  const draw = (plot) => {
    if (plot.dataset.drawn) return;
    plot.dataset.drawn = "yes";
    const figure = JSON.parse(plot.nextElementSibling.textContent);
    Plotly.newPlot(plot, figure.data, { ...figure.layout, autosize: true }, config);
  };
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      watcher.unobserve(entry.target);
      draw(entry.target);
    }),
    { rootMargin: "800px 0px" },
  );
  plots.forEach((plot) => watcher.observe(plot));
  // at once: Plotly.Plots.resize waits a tenth of a second, and the browser does not wait for that before it prints
  const fit = (plot) => {
    if (plot.dataset.drawn) Plotly.relayout(plot, { autosize: true });
  };

  // Paper is narrower than the window, and shows what is folded away.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = Array.from(document.querySelectorAll("main details:not([open])"));
    folded.forEach((part) => { part.open = true; });
    document.documentElement.classList.add("printing");
    plots.forEach(draw);
    plots.forEach(fit);
  });
  addEventListener("afterprint", () => {
    folded.forEach((part) => { part.open = false; });
    document.documentElement.classList.remove("printing");
    plots.forEach(fit);
  });

  // On a narrow screen the contents start folded and close once a section is chosen.
  const contents = document.querySelector(".contents details");
  const narrow = matchMedia("(max-width: 1000px)");
  if (narrow.matches) contents.open = false;
  contents.addEventListener("click", (event) => {
    if (event.target.closest("a") && narrow.matches) contents.open = false;
  });
})();
