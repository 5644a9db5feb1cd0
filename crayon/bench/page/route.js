"use strict";
// The plots of a routing report; the tables stand without them.
(function () {
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const shapes = ["circle", "rectRot", "triangle", "rect", "star", "crossRot"];
  const colours = 8;
  const shownFirst = ["crayon", "random", "oracle", "margin", "query-logistic", "scope"];
  const charts = [];

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const percent = (share) => 100 * share;
  const place = new Map(data.routers.filter((r) => r.fixed_share === null).map((r, i) => [r.name, i]));
  const colourOf = (router) => css(`--plot-${place.get(router) % colours}`);

  function axis(title, more) {
    return {
      type: "linear",
      title: { display: true, text: title, color: css("--ink") },
      ticks: { color: css("--ink") },
      grid: { color: css("--rule"), borderColor: css("--rule") },
      ...more,
    };
  }

  function plot(id, height, datasets, x, y, label) {
    document.getElementById(`${id}-figure`).hidden = false;
    const element = document.getElementById(id);
    element.parentElement.style.height = `${height}px`;
    charts.push(new Chart(element, {
      type: "scatter",
      data: { datasets },
      options: {
        animation: false,
        responsive: true,
        maintainAspectRatio: false,
        interaction: { mode: "nearest", intersect: false },
        scales: { x, y },
        plugins: {
          legend: {
            position: "bottom",
            labels: {
              color: css("--ink"), usePointStyle: true, boxWidth: 8, boxHeight: 8,
              filter: (item) => item.text !== "",
            },
            // A curve and its band go together.
            onClick: (event, item, legend) => {
              const chart = legend.chart;
              const visible = chart.isDatasetVisible(item.datasetIndex);
              const of = chart.data.datasets[item.datasetIndex].of;
              chart.data.datasets.forEach((set, i) => {
                if (i === item.datasetIndex || (of && set.of === of)) chart.setDatasetVisibility(i, !visible);
              });
              chart.update();
            },
          },
          tooltip: { filter: (item) => item.dataset.label !== "", callbacks: { label } },
        },
      },
    }));
  }

  const line = (label, points, colour, more) => ({
    label, data: points, showLine: true, borderColor: colour, backgroundColor: colour,
    borderWidth: 2, pointRadius: 0, pointHoverRadius: 4, ...more,
  });
  const dashed = (label, points) => line(label, points, css("--soft"), { borderDash: [5, 4], borderWidth: 1 });
  const along = (values, from) => values.map((y, k) => ({ x: percent((k + from) / (values.length - 1 + from)), y: percent(y) }));

  function curves(id, routers) {
    const sets = [];
    for (const one of routers) {
      const colour = colourOf(one.router);
      const hidden = !shownFirst.includes(one.router);
      const i = place.get(one.router);
      sets.push(line(one.router, along(one.curve, 0), colour, {
        of: one.router, hidden, pointStyle: shapes[i % shapes.length], borderDash: i < colours ? [] : [8, 3], borderWidth: i === 0 ? 3 : 2, order: i,
      }));
      const band = { of: one.router, hidden, borderWidth: 0, pointHoverRadius: 0, order: 100, backgroundColor: `${colour}${i === 0 ? "33" : "12"}` };
      sets.push(line("", along(one.low, 0), colour, band));
      sets.push(line("", along(one.high, 0), colour, { ...band, fill: "-1" }));
    }
    const server = percent(routers[0].curve[routers[0].curve.length - 1]);
    sets.push(dashed("server alone", [{ x: 0, y: server }, { x: 100, y: server }]));
    plot(id, 460, sets, axis("Server share, %", { min: 0, max: 100 }), axis("Accuracy, %"),
      (item) => `${item.dataset.label}: ${item.parsed.y.toFixed(1)} at ${item.parsed.x.toFixed(0)} % to the server`);
  }

  function riskCoverage(id, routers) {
    const sets = routers.map((one) => line(one.router, along(one.risks, 1), colourOf(one.router), {
      hidden: !shownFirst.includes(one.router),
      pointStyle: shapes[place.get(one.router) % shapes.length],
      borderDash: place.get(one.router) < colours ? [] : [8, 3],
      borderWidth: place.get(one.router) === 0 ? 3 : 2,
    }));
    plot(id, 380, sets, axis("Kept by the device (coverage), %", { min: 0, max: 100 }), axis("Wrong among these, %", { min: 0 }),
      (item) => `${item.dataset.label}: ${item.parsed.y.toFixed(1)} % wrong of ${item.parsed.x.toFixed(0)} % kept`);
  }

  // Bars from low to high at each point, drawn as lines of their own.
  function bars(points, colour) {
    return points.map((p) => line("", [{ x: p.x, y: p.low }, { x: p.x, y: p.high }], colour, { borderWidth: 1.5, pointHoverRadius: 0 }));
  }

  function shares(id, list) {
    const colour = css("--plot-0");
    const points = list.map((one) => ({ x: percent(one.asked), y: percent(one.realised), low: percent(one.least), high: percent(one.most) }));
    plot(id, 340, [
      line("realised", points, colour, { showLine: false, pointRadius: 5 }), ...bars(points, colour),
      dashed("as asked", [{ x: 0, y: 0 }, { x: 100, y: 100 }]),
    ], axis("Asked server share, %", { min: 0, max: 100 }), axis("Realised, %", { min: 0, max: 100 }),
      (item) => `${item.parsed.y.toFixed(1)} where ${item.parsed.x.toFixed(0)} was asked`);
  }

  function reliability() {
    const { bins_before: before, bins_after: after } = data.calibration;
    if (!before.some((bin) => bin.n > 0)) return;
    const of = (label, bins, i) => {
      const filled = bins.filter((bin) => bin.n > 0);
      const most = Math.max(...filled.map((bin) => bin.n));
      return line(label, filled.map((bin) => ({ x: percent(bin.confidence), y: percent(bin.accuracy), n: bin.n })), css(`--plot-${i}`), {
        pointStyle: shapes[i], pointRadius: filled.map((bin) => 3 + 7 * Math.sqrt(bin.n / most)), borderDash: i ? [] : [6, 3],
      });
    };
    plot("reliability", 420, [
      of("raw: largest share of softmax", before, 1), of("calibrated", after, 0),
      dashed("as it says", [{ x: 0, y: 0 }, { x: 100, y: 100 }]),
    ], axis("Confidence, %", { min: 0, max: 100 }), axis("Right, %", { min: 0, max: 100 }),
      (item) => `${item.dataset.label}: ${item.parsed.y.toFixed(1)} % right at ${item.parsed.x.toFixed(1)}, ${item.raw.n} answers`);
  }

  function risks() {
    const kept = data.risks.filter((one) => one.resamples > 0);
    if (kept.length === 0) return;
    const tasks = [...new Set(kept.map((one) => one.task))];
    const most = percent(Math.max(...kept.map((one) => Math.max(one.risk, one.mean))));
    const sets = tasks.map((task, i) => line(task, kept.filter((one) => one.task === task).map((one) => ({ x: percent(one.risk), y: percent(one.mean) })), css(`--plot-${i % colours}`), {
      pointRadius: 4, pointStyle: shapes[i % shapes.length], borderWidth: 1,
    }));
    sets.push(dashed("as asked", [{ x: 0, y: 0 }, { x: most, y: most }]));
    plot("risks", 420, sets, axis("Asked risk, %", { min: 0 }), axis("Realised risk, %", { min: 0 }),
      (item) => `${item.dataset.label}: ${item.parsed.y.toFixed(1)} where ${item.parsed.x.toFixed(0)} was asked`);
  }

  function scope() {
    const sets = [];
    for (const [i, kind] of ["near", "far"].entries()) {
      const points = data.scope.filter((one) => one[kind]).map((one) => ({ x: one.n, y: one[kind].mean, low: one[kind].low, high: one[kind].high }));
      if (points.length === 0) continue;
      const colour = css(`--plot-${i}`);
      sets.push(line(kind, points, colour, { pointRadius: 5, pointStyle: shapes[i] }), ...bars(points, colour));
    }
    if (sets.length === 0) return;
    const ns = data.scope.map((one) => one.n);
    plot("scope-plot", 340, sets, axis("Examples", {
      type: "logarithmic", min: Math.min(...ns) * 0.9, max: Math.max(...ns) * 1.1,
      afterBuildTicks: (built) => { built.ticks = ns.map((value) => ({ value })); },
      ticks: { color: css("--ink"), callback: (value) => String(value) },  // by default powers of ten alone
    }), axis("AUROC", { suggestedMin: 0.5, max: 1 }),
      (item) => `${item.dataset.label}: ${item.parsed.y.toFixed(3)} from ${item.parsed.x} examples`);
  }

  function draw() {
    charts.splice(0).forEach((chart) => chart.destroy());
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    data.servers.forEach((server, i) => {
      if (server.all.length === 0) return;
      curves(`deferral-${i}`, server.all);
      riskCoverage(`risk-coverage-${i}`, server.risk_coverage);
      if (server.pooled.length > 0) curves(`pooled-${i}`, server.pooled);
      if (server.mixed.length > 0) curves(`mixed-${i}`, server.mixed);
      shares(`shares-${i}`, server.shares);
    });
    reliability();
    risks();
    scope();
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
