"use strict";
// The two plots, and what the radio buttons mean to them; the tables answer to the style sheet alone.
(function () {
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const shapes = ["circle", "rectRot", "triangle", "rect", "star", "crossRot"];
  const colours = 8;
  const mostLines = 8;
  const charts = [];

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;
  const percent = (share) => 100 * share;
  const shown = (share) => percent(share).toFixed(1);
  const find = (k, group, calibration) =>
    data.tables.find((t) => t.k === k && t.group === group && t.calibration === calibration);

  // A line from low to high through each point, with ends, and the base model's accuracy.
  const bands = {
    id: "bands",
    beforeDatasetsDraw(chart, args, options) {
      if (options.reference === undefined) return;
      const x = chart.scales.x.getPixelForValue(options.reference);
      const { ctx, chartArea } = chart;
      ctx.save();
      ctx.strokeStyle = css("--soft");
      ctx.setLineDash([5, 4]);
      ctx.beginPath();
      ctx.moveTo(x, chartArea.top);
      ctx.lineTo(x, chartArea.bottom);
      ctx.stroke();
      ctx.restore();
    },
    afterDatasetsDraw(chart) {
      const { ctx, scales } = chart;
      chart.data.datasets.forEach((dataset, index) => {
        if (!dataset.bands || !chart.isDatasetVisible(index)) return;
        ctx.save();
        ctx.strokeStyle = dataset.borderColor;
        ctx.lineWidth = 1.5;
        for (const point of dataset.data) {
          const y = scales.y.getPixelForValue(point.y);
          const ends = [point.low, point.high].map((x) => scales.x.getPixelForValue(x));
          ctx.beginPath();
          ctx.moveTo(ends[0], y);
          ctx.lineTo(ends[1], y);
          for (const x of ends) {
            ctx.moveTo(x, y - 3);
            ctx.lineTo(x, y + 3);
          }
          ctx.stroke();
        }
        ctx.restore();
      });
    },
  };

  function axis(title) {
    return {
      title: { display: title !== "", text: title, color: css("--ink") },
      ticks: { color: css("--ink") },
      grid: { color: css("--rule"), borderColor: css("--rule") },
    };
  }

  const legendLabels = () => ({ color: css("--ink"), usePointStyle: true, boxWidth: 8, boxHeight: 8 });

  function plot(figure, canvas, height, config) {
    document.getElementById(figure).hidden = false;
    const element = document.getElementById(canvas);
    element.parentElement.style.height = `${height}px`;
    config.options.animation = false;
    config.options.responsive = true;
    config.options.maintainAspectRatio = false;
    config.plugins = [bands];
    charts.push(new Chart(element, config));
  }

  function accuracySet(table, calibration) {
    const on = calibration === "on";
    const colour = css(on ? "--plot-1" : "--plot-0");
    return {
      label: `label calibration ${calibration}`,
      bands: true,
      data: table.lines.map((line, i) => ({
        x: percent(line.mean),
        y: i + (on ? 0.18 : -0.18),
        low: percent(line.low),
        high: percent(line.high),
        text: `${line.method}: ${shown(line.mean)} (${shown(line.low)} to ${shown(line.high)})`,
      })),
      pointStyle: on ? "rectRot" : "circle",
      pointRadius: on ? 5 : 4,
      pointHoverRadius: 6,
      borderColor: colour,
      backgroundColor: on ? css("--paper") : colour,
    };
  }

  function methodAxis(names) {
    const scale = axis("");
    scale.type = "linear";
    scale.reverse = true;
    scale.min = -0.6;
    scale.max = names.length - 0.4;
    scale.afterBuildTicks = (built) => { built.ticks = names.map((name, i) => ({ value: i })); };
    scale.ticks.autoSkip = false;
    scale.ticks.callback = (value) => names[value];
    return scale;
  }

  function plotAccuracy(group) {
    const tables = ["off", "on"].map((state) => find(data.k, group, state)).filter(Boolean);
    if (tables.length === 0) return;
    const edges = tables.flatMap((table) => table.lines.flatMap((line) => [line.low, line.high]));
    const base = tables[0].lines.find((line) => line.method === "base");
    plot("accuracy-figure", "accuracy-plot", 28 * tables[0].lines.length + 100, {
      type: "scatter",
      data: { datasets: tables.map((table) => accuracySet(table, table.calibration)) },
      options: {
        scales: { x: { ...axis("Accuracy, %"), suggestedMin: percent(Math.min(...edges)), suggestedMax: percent(Math.max(...edges)) }, y: methodAxis(tables[0].lines.map((l) => l.method)) },
        plugins: {
          bands: { reference: base && percent(base.mean) },
          legend: { labels: legendLabels() },
          tooltip: { callbacks: { label: (item) => `${item.raw.text}, ${item.dataset.label}` } },
        },
      },
    });
  }

  // Each method with its accuracy at every K where it has one; those of a single K are no line.
  function linesOverK(group, calibration, ks) {
    const tables = ks.map((k) => find(k, group, calibration));
    const main = find(data.k, group, calibration);
    return main.lines.map((line) => ({
      method: line.method,
      mean: line.mean,
      points: tables.map((table) => table && table.lines.find((l) => l.method === line.method)),
    })).filter((line) => line.points.filter(Boolean).length > 1);
  }

  // Some are always shown first, then the best, up to as many as can be told apart.
  function firstShown(lines) {
    const rank = (line) => (data.first_shown.includes(line.method) ? 1 : 0);
    const order = [...lines].sort((a, b) => rank(b) - rank(a) || b.mean - a.mean);
    return new Set(order.slice(0, mostLines).map((line) => line.method));
  }

  function plotOverK(group, calibration) {
    const ks = [...new Set(data.tables.map((table) => table.k))].sort((a, b) => a - b);
    if (ks.length < 2 || !find(data.k, group, calibration)) return;
    const lines = linesOverK(group, calibration, ks);
    if (lines.length === 0) return;
    const visible = firstShown(lines);
    let next = 0;
    const style = new Map();
    for (const line of [...lines].sort((a, b) => visible.has(b.method) - visible.has(a.method))) {
      style.set(line.method, next++);
    }
    plot("k-figure", "k-plot", 420 + 8 * lines.length, {
      type: "line",
      data: {
        labels: ks.map((k) => `K = ${k}`),
        datasets: lines.map((line) => {
          const i = style.get(line.method);
          const colour = css(`--plot-${i % colours}`);
          return {
            label: line.method,
            hidden: !visible.has(line.method),
            data: line.points.map((point) => (point ? percent(point.mean) : null)),
            points: line.points,
            spanGaps: true,
            borderColor: colour,
            backgroundColor: colour,
            borderWidth: 2,
            borderDash: i < colours ? [] : [6, 3],
            pointStyle: shapes[i % shapes.length],
            pointRadius: 4,
          };
        }),
      },
      options: {
        scales: { x: axis(""), y: { ...axis("Accuracy, %"), grace: "4%" } },
        plugins: {
          legend: { position: "bottom", labels: legendLabels() },
          tooltip: {
            callbacks: {
              label: (item) => {
                const point = item.dataset.points[item.dataIndex];
                return `${point.method}: ${shown(point.mean)} (${shown(point.low)} to ${shown(point.high)})`;
              },
            },
          },
        },
      },
    });
  }

  function draw() {
    charts.splice(0).forEach((chart) => chart.destroy());
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    plotAccuracy(chosen("group"));
    plotOverK(chosen("group"), chosen("calibration"));
  }

  document.querySelector(".switches").addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
})();
