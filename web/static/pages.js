/* Small manners of the pages: repeatable rows, uploads on choice, filled demo names, one click per answer. */
"use strict";
document.addEventListener("click", (event) => {
  const add = event.target.closest("[data-add-row]");
  if (add) {
    const list = document.getElementById(add.dataset.addRow);
    const rows = list.querySelectorAll("[data-row]");
    const row = rows[rows.length - 1].cloneNode(true);
    const next = Number(rows[rows.length - 1].dataset.row) + 1;
    row.dataset.row = String(next);
    row.querySelectorAll("[name]").forEach((field) => {
      field.name = field.name.replace(/\.\d+\./, `.${next}.`);
      field.id = field.id.replace(/-\d+-/, `-${next}-`);
      field.value = "";
      field.classList.remove("is-invalid");
    });
    row.querySelectorAll("label[for]").forEach((label) => { label.htmlFor = label.htmlFor.replace(/-\d+-/, `-${next}-`); });
    row.querySelectorAll(".fault").forEach((fault) => fault.remove());
    rows[rows.length - 1].after(row);
    row.querySelector("[name]").focus();
    return;
  }
  const drop = event.target.closest("[data-drop-row]");
  if (drop) {
    const row = drop.closest("[data-row]");
    const rows = row.parentElement.querySelectorAll("[data-row]");
    if (rows.length > 1) { row.remove(); } else { row.querySelectorAll("[name]").forEach((f) => { f.value = ""; }); }
    return;
  }
  const who = event.target.closest("[data-user]");
  if (who) {
    document.getElementById("username").value = who.dataset.user;
    document.getElementById("password").value = who.dataset.password;
    document.getElementById("sign-in").requestSubmit();
  }
});
document.addEventListener("change", (event) => {
  const input = event.target;
  if (input.type !== "file") { return; }
  const said = input.form && input.form.querySelector("[data-chosen]");
  if (said && input.files.length) { said.textContent = input.files[0].name; }
});
/* A browser cuts what is pasted to the length of the field without a word: here it is said, until the next key. */
document.addEventListener("paste", (event) => {
  const field = event.target;
  if (!(field.maxLength > 0) || !event.clipboardData) { return; }
  const chosen = (field.selectionEnd || 0) - (field.selectionStart || 0);
  const length = field.value.length - chosen + event.clipboardData.getData("text").length;
  if (length <= field.maxLength) { return; }
  const said = document.createElement("div");
  said.className = "fault";
  said.setAttribute("role", "status");
  said.textContent = document.body.dataset.cut.replace("{n}", String(length)).replace("{most}", String(field.maxLength));
  setTimeout(() => {
    field.after(said);
    field.addEventListener("input", () => said.remove(), { once: true });
  });
});
/* The server takes text without the blanks around it: a field of blanks alone is empty, and says so itself. */
document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.required && field.matches("textarea, input:not([type]), input[type=text]")) { field.value = field.value.trim(); }
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]") || form.hasAttribute("hx-post")) { return; }
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) {
    const box = document.getElementById("search");
    if (box) { event.preventDefault(); box.focus(); }
  }
});
