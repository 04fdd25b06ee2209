/* Keeps what is typed into a form for many at once, until its result is shown, and into a remark, until it is sent; in this
   tab. A reload or the way back loses nothing. Kept by person and by what it is about; a sign-in forgets everything. */
"use strict";
(() => {
  const KEPT = "baoqi.kept.", SENT = "baoqi.sent";
  const form = document.querySelector("form[data-keep]");
  const nameOf = (f) => KEPT + f.dataset.keep + "." + new FormData(f).getAll(f.dataset.kept).sort().join(".");
  const fields = () => Array.from(form.elements).filter((e) => e.name && e.type !== "hidden" && e.type !== "file" && e.name !== form.dataset.kept);
  const once = (field) => field.type === "checkbox" ? field.name + "=" + field.value : field.name;
  const read = (key) => JSON.parse(sessionStorage.getItem(key) || "null");
  function keep() {
    const values = {};
    fields().forEach((f) => { values[once(f)] = f.type === "checkbox" ? f.checked : f.value; });
    sessionStorage.setItem(nameOf(form), JSON.stringify(values));
  }
  function rowFor(name) {  // a row that was added by hand is added again
    const parts = name.match(/^(.+)\.\d+\./), other = parts && form.querySelector(`[name^="${CSS.escape(parts[1])}."]`);
    const list = other && other.closest("[data-row]");
    const add = list && document.querySelector(`[data-add-row="${list.parentElement.id}"]`);
    if (add) { add.click(); document.activeElement.blur(); }
  }
  function restore(values) {
    const there = new Set(fields().map(once));
    Object.keys(values).forEach((name) => { if (values[name] && !there.has(name) && !fields().some((f) => once(f) === name)) { rowFor(name); } });
    fields().forEach((field) => {
      const value = values[once(field)];
      if (value === undefined) { return; }
      if (field.type === "checkbox") { field.checked = value; return; }
      const before = field.value;
      field.value = value;
      if (field.value !== value) { field.value = before; }  // a choice that is offered no more
    });
  }
  if (document.getElementById("sign-in")) {
    Object.keys(sessionStorage).filter((k) => k.startsWith(KEPT)).forEach((k) => sessionStorage.removeItem(k));
  }
  const remark = () => document.querySelector("textarea[data-keep-text]");
  const remarkName = (box) => KEPT + box.dataset.keepText + "." + location.pathname;
  if (remark()) {
    if (!remark().value) { remark().value = sessionStorage.getItem(remarkName(remark())) || ""; }
    document.addEventListener("input", (event) => { if (event.target === remark()) { sessionStorage.setItem(remarkName(event.target), event.target.value); } });
    document.addEventListener("htmx:afterSettle", () => { if (remark() && !remark().value) { sessionStorage.removeItem(remarkName(remark())); } });
  }
  const sent = sessionStorage.getItem(SENT);
  if (sent && document.getElementById("batch-result")) { sessionStorage.removeItem(sent); }
  sessionStorage.removeItem(SENT);
  if (!form) { return; }
  const values = read(nameOf(form));
  if (values) { restore(values); }
  form.addEventListener("input", keep);
  form.addEventListener("change", keep);
  form.addEventListener("click", (event) => { if (event.target.closest("[data-drop-row]")) { setTimeout(keep); } });
  form.addEventListener("submit", () => sessionStorage.setItem(SENT, nameOf(form)));
})();
