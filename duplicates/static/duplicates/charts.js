/*
 * Draws the charts of a page with Chart.js: each canvas names the JSON it shows. Colours are those of the sheet, read
 * anew when the theme changes. Without this script the table below each chart says the same.
 */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const language = document.documentElement.lang || "en";
    const DAY = 86_400_000, TICKS = 5;
    const number = new Intl.NumberFormat(language);
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const charts = [];

    const paint = (chart) => {
        for (const set of chart.data.datasets) {
            set.borderColor = colour(`--${set.tone}-bar`);
            set.backgroundColor = set.type === "line" ? `${set.borderColor}22` : set.borderColor;
            set.pointBackgroundColor = set.borderColor;
        }
        for (const axis of Object.values(chart.options.scales)) {
            axis.ticks.color = colour("--body-quiet-color");
            axis.grid.color = colour("--hairline-color");
        }
        chart.options.plugins.legend.labels.color = colour("--body-fg");
    };

    // Evenly spaced moments, in days or, for a short stretch, in hours.
    const timeAxis = (places) => {
        const [first, last] = [places[0], places.at(-1)];
        const isShort = last - first < 2 * DAY;
        const words = new Intl.DateTimeFormat(language,
            isShort ? {hour: "numeric", minute: "2-digit"} : {day: "numeric", month: "short"});
        return {
            type: "linear", min: first, max: last, border: {display: false}, grid: {display: false},
            ticks: {maxRotation: 0, callback: (at) => words.format(at)},
            afterBuildTicks: (axis) => {
                axis.ticks = Array.from({length: TICKS}, (_, place) => ({value: first + place * (last - first) / (TICKS - 1)}));
            },
        };
    };

    const options = (shown) => ({
        responsive: true,
        maintainAspectRatio: false,
        animation: false,
        locale: language,
        interaction: {mode: "index", intersect: false},
        plugins: {
            legend: {display: shown.series.length > 1, position: "bottom", labels: {boxWidth: 12, boxHeight: 12}},
            tooltip: {callbacks: {title: (items) => items.length ? shown.labels[items[0].dataIndex] : ""}},
        },
        scales: {
            x: shown.places
                ? timeAxis(shown.places)
                : {border: {display: false}, grid: {display: false}, ticks: {maxRotation: 0, autoSkipPadding: 12}},
            y: {beginAtZero: true, border: {display: false}, grid: {},
                ticks: {maxTicksLimit: 5, precision: 0, callback: (value) => number.format(value)}},
        },
    });

    const draw = (canvas) => {
        const shown = JSON.parse(document.getElementById(canvas.dataset.chart).textContent);
        const isLine = shown.kind === "line";
        const datasets = shown.series.map((one) => ({
            label: one.name, tone: one.tone, type: shown.kind,
            data: shown.places ? one.values.map((y, place) => ({x: shown.places[place], y})) : one.values,
            ...(isLine ? {fill: true, borderWidth: 2, pointRadius: 4, clip: 8} : {borderRadius: 3, maxBarThickness: 18}),
        }));
        const settings = {type: shown.kind, data: {labels: shown.labels, datasets}, options: options(shown)};
        const chart = new Chart(canvas, settings);
        paint(chart);
        chart.update();
        charts.push(chart);
    };

    document.querySelectorAll("canvas[data-chart]").forEach(draw);
    const repaint = () => charts.forEach((chart) => { paint(chart); chart.update(); });
    new MutationObserver(repaint).observe(document.documentElement, {attributeFilter: ["data-theme"]});
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
});
