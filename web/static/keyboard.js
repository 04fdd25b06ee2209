/* Keys of inbox and task: next, previous, open, claim, answer, complete, help. None fires in a field, with a modifier, or
   while an input method composes; only Ctrl+Enter works inside the answer form. */
"use strict";
(() => {
  const KEPT = "baoqi.tasks";
  const field = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;
  const composing = (event) => event.isComposing || event.keyCode === 229;
  const rows = () => Array.from(document.querySelectorAll("#inbox-body tr[data-task]"));
  const current = () => document.querySelector("#inbox-body tr[aria-selected=true]");
  const onTask = () => document.querySelector("[data-task-page]");
  const click = (selector, within = document) => { const found = within && within.querySelector(selector); if (found) { found.click(); } return Boolean(found); };

  let chosen = false;  // on this page by a key: only then is a row chosen again after a refresh, or the next key skips one

  function select(row) {
    if (!row) { return; }
    chosen = true;
    rows().forEach((r) => r.removeAttribute("aria-selected"));
    row.setAttribute("aria-selected", "true");
    const link = row.querySelector("a[href^='/tasks/']");
    link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
    sessionStorage.setItem(KEPT + ".at", row.dataset.task);
  }
  function remember() {
    const list = rows();
    if (list.length) { sessionStorage.setItem(KEPT, JSON.stringify(list.map((r) => r.dataset.task))); }
  }
  function step(by) {
    const page = onTask();
    if (page) {
      const list = JSON.parse(sessionStorage.getItem(KEPT) || "[]");
      const next = list[list.indexOf(page.dataset.taskPage) + by];
      if (list.includes(page.dataset.taskPage) && next) { sessionStorage.setItem(KEPT + ".at", next); location.assign(`/tasks/${next}${page.dataset.then}`); }
      return;
    }
    const list = rows(), at = list.indexOf(current());
    select(at < 0 ? (list.find((r) => r.dataset.task === sessionStorage.getItem(KEPT + ".at")) || list[0]) : list[Math.min(Math.max(at + by, 0), list.length - 1)]);
  }
  function open() { const row = current(); if (row && !onTask()) { click("a[href^='/tasks/']", row); } }
  function answer() {
    const first = document.querySelector("#answer input:not([type=hidden]), #answer select, #answer textarea, #answer .act-bar button");
    if (first) { first.focus(); }
  }
  function help() { const box = document.getElementById("keyboard"); if (box) { if (box.open) { box.close(); } else { box.showModal(); } } }
  const KEYS = {
    j: () => step(1), k: () => step(-1), o: open,
    c: () => { if (onTask()) { click("[data-claim]"); } else { click("[data-claim]", current()); } },
    a: answer, i: () => location.assign("/inbox"),
  };
  document.addEventListener("keydown", (event) => {
    if (composing(event) || event.altKey) { return; }
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") {
      const form = document.getElementById("answer");
      if (form && (form.contains(event.target) || !field(event.target))) {
        event.preventDefault();
        const button = form.querySelector(".act-bar button[name=outcome]");
        if (button && !button.disabled) { form.requestSubmit(button); }
      }
      return;
    }
    if (event.ctrlKey || event.metaKey || field(event.target)) { return; }
    if (event.key === "?" || event.key === "？") { event.preventDefault(); help(); return; }
    const box = document.getElementById("keyboard");
    if (event.shiftKey || (box && box.open)) { return; }
    const letter = /^Key[A-Z]$/.test(event.code) ? event.code.slice(3).toLowerCase() : event.key;
    if (KEYS[letter]) { event.preventDefault(); KEYS[letter](); }
  });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-keyboard-help]")) { help(); } });
  document.addEventListener("htmx:afterSettle", () => {
    remember();
    const kept = sessionStorage.getItem(KEPT + ".at");
    const row = rows().find((r) => r.dataset.task === kept);
    if (chosen && row && !current() && document.activeElement === document.body) { select(row); }
  });
  remember();
})();
