// The layout, sizes for charts that follow the screen, the clock, whole rows, and the state of the connection to the console.
"use strict";

document.documentElement.dataset.layout = new URLSearchParams(location.search).get("layout") === "3x3" ? "3x3" : "single";

// One "pixel" of the 1920 x 1080 design on this screen; charts are given sizes as fs(n).
globalThis.fs = (size) => (size * parseFloat(getComputedStyle(document.documentElement).fontSize)) / 16;

globalThis.fundwatchNumber = (value) =>
  Math.abs(value) >= 1e8 ? +(value / 1e8).toFixed(2) + "亿" : Math.abs(value) >= 1e4 ? +(value / 1e4).toFixed(1) + "万" : value;

// A closed area of longitudes and latitudes, for a custom series of a chart.
globalThis.fundwatchArea = (ring) => (params, api) => ({
  type: "polygon",
  shape: { points: ring.map((point) => api.coord(point)), smooth: 0.25 },
  style: { fill: "#1b4a8a55", stroke: "#4a86d6", lineWidth: fs(1.4), shadowBlur: fs(10), shadowColor: "#38bdf866" },
});

// A row that does not fit whole is left out: half a line of text says nothing.
const dropCutRows = () => {
  for (const frame of document.querySelectorAll(".rows")) {
    const end = frame.getBoundingClientRect().bottom + 1;
    for (const row of frame.querySelectorAll("tbody tr")) {
      row.style.visibility = row.getBoundingClientRect().bottom > end ? "hidden" : "";
    }
  }
};

setInterval(() => {
  const clock = document.querySelector("[data-clock]");
  if (clock) {
    const zone = clock.dataset.clock;
    const now = new Date();
    const say = (options) => new Intl.DateTimeFormat("zh-CN", { timeZone: zone, ...options }).format(now);
    clock.querySelector(".clock-time").textContent = say({ hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
    clock.querySelector(".clock-date").textContent = say({ year: "numeric", month: "long", day: "numeric", weekday: "long" });
  }
  const link = document.querySelector("[data-link]");
  if (link) {
    const connected = Boolean(window.socket?.connected);
    link.dataset.link = connected ? "up" : "down";
    link.querySelector(".link-text").textContent = connected ? "已连接" : "连接中断";
  }
  dropCutRows();
}, 500);
