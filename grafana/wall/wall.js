// The layout, the clock, the state of the connection to Grafana, and the one module that is loaded by hand.
"use strict";

const ZONE = "Asia/Shanghai";
const HEALTH = "/grafana/api/health";
const EVERY = 5000; // milliseconds between two looks at Grafana
const PATIENCE = 4000; // milliseconds until a look counts as unanswered
const MISSES = 2; // unanswered looks in a row until Grafana counts as away: one may be a hiccup under load

const root = document.documentElement;
root.dataset.layout = new URLSearchParams(location.search).get("layout") === "3x3" ? "3x3" : "single";

// A dashboard is laid out as on a 1080p screen, or as on half a screen of nine, and enlarged from there.
const fit = () => {
  const [width, height] = root.dataset.layout === "3x3" ? [2880, 1620] : [1920, 1080];
  root.style.setProperty("--zoom", Math.max(1, Math.min(innerWidth / width, innerHeight / height)).toFixed(3));
};
addEventListener("resize", fit);
fit();

const say = (options) => new Intl.DateTimeFormat("zh-CN", { timeZone: ZONE, ...options }).format(new Date());
const time = () => say({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const tick = () => {
  document.querySelector(".clock-time").textContent = time();
  document.querySelector(".clock-date").textContent = say({ year: "numeric", month: "long", day: "numeric", weekday: "long" });
};
setInterval(tick, 500);
tick();

const reload = (frame) => frame.contentWindow.location.replace(frame.src);
for (const button of document.querySelectorAll("[data-reload]")) {
  button.addEventListener("click", () => reload(document.querySelector(`[data-module="${button.dataset.reload}"] iframe`)));
}

const status = document.querySelector(".status");
const show = (link, text, note) => {
  status.dataset.link = link;
  status.querySelector(".link-text").textContent = text;
  status.querySelector(".link-note").textContent = note;
};
let misses = 0;
let since = "";
const look = async () => {
  let fault = "";
  try {
    const answer = await fetch(HEALTH, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) fault = `Grafana 异常（${answer.status}）`;
  } catch {
    fault = "Grafana 连接中断";
  }
  if (!fault) {
    // what Grafana served while it was going away, or nothing at all, stays in a frame until it is loaded anew
    if (status.dataset.link === "down") document.querySelectorAll("iframe").forEach(reload);
    misses = 0;
    show("up", "已连接", "");
  } else if (++misses >= MISSES) {
    since ||= time();
    show("down", fault, `${since} 起`);
  }
  if (!fault) since = "";
  setTimeout(look, EVERY);
};
look();
