// Draws plotly's figures in the colours of the page, light or dark, and again when these change.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function colours() {
    const chosen = document.body.dataset.theme;
    const isDark = chosen === "dark" || (chosen !== "light" && dark.matches);
    return isDark ? ["#cfd0d0", "#44474c", "#1a1c1e"] : ["#333333", "#dddddd", "#ffffff"];
  }

  function template() {
    const [ink, grid, ground] = colours();
    const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: ink, automargin: true };
    return {
      layout: {
        font: { color: ink }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        xaxis: axis, yaxis: axis, hoverlabel: { bgcolor: ground, font: { color: ink } },
      },
    };
  }

  function draw(element) {
    const figure = JSON.parse(element.querySelector("script").textContent);
    const layout = { ...figure.layout, template: template() };
    let place = element.querySelector(".plotly-place");
    if (place === null) {
      place = document.createElement("div");
      place.className = "plotly-place";
      element.append(place);
    }
    const config = { responsive: true, displaylogo: false, displayModeBar: false };
    Plotly.react(place, figure.data, layout, config);
  }

  function drawAll() {
    document.querySelectorAll(".plotly-figure").forEach(draw);
  }

  document.addEventListener("DOMContentLoaded", () => {
    drawAll();
    dark.addEventListener("change", drawAll);
    new MutationObserver(drawAll).observe(document.body, {
      attributes: true, attributeFilter: ["data-theme"],
    });
  });
})();
