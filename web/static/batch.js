/* Choosing rows of a list: all of the page, a range with Shift, by key; the choice outlives a refresh of the list. */
"use strict";
(() => {
  const boxes = () => Array.from(document.querySelectorAll("input[data-pick]"));
  const all = () => document.querySelector("input[data-pick-all]");
  const kept = new Set();
  let last = null;

  function show() {
    const list = boxes(), on = list.filter((b) => b.checked), head = all(), said = document.getElementById("picked");
    if (head) { head.checked = list.length > 0 && on.length === list.length; head.indeterminate = on.length > 0 && on.length < list.length; }
    if (said) { said.textContent = said.dataset.words.replace("{n}", String(on.length)); }
    document.querySelectorAll("[data-needs-pick]").forEach((button) => { button.disabled = on.length === 0; });
  }
  function set(box, on) {
    box.checked = on;
    if (on) { kept.add(box.value); } else { kept.delete(box.value); }
  }
  document.addEventListener("click", (event) => {
    const box = event.target.closest("input[data-pick]");
    if (!box) { return; }
    const list = boxes(), from = list.findIndex((b) => b.value === last), to = list.indexOf(box);
    if (event.shiftKey && from >= 0) { list.slice(Math.min(from, to), Math.max(from, to) + 1).forEach((b) => set(b, box.checked)); }
    set(box, box.checked);
    last = box.value;
    show();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("input[data-pick-all]")) { const on = event.target.checked; boxes().forEach((b) => set(b, on)); show(); }
  });
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=checkbox]), textarea, select, dialog[open]")) { return; }
    if (event.code === "KeyX" && !event.shiftKey) {
      const box = document.querySelector("tr[aria-selected=true] input[data-pick]");
      if (box) { event.preventDefault(); box.click(); }
    } else if (event.code === "KeyX") {
      const head = all();
      if (head) { event.preventDefault(); head.click(); }
    } else if (event.code === "KeyB" && !event.shiftKey) {
      const first = document.querySelector("[data-needs-pick]:not(:disabled)");
      if (first) { event.preventDefault(); first.focus(); }
    }
  });
  document.addEventListener("htmx:afterSettle", () => { boxes().forEach((b) => { b.checked = kept.has(b.value); }); show(); });
  boxes().forEach((b) => { if (b.checked) { kept.add(b.value); } }); // a page may come with rows chosen
  show();
})();
