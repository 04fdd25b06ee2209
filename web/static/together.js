/* Forms of one page that is drawn anew by each of them: a form that is sent takes along what is typed in the others, so that
   the server can draw it again. A field of the same name stays that of the form that is sent; chosen files stay where they are. */
"use strict";
(() => {
  let asking = false;
  document.addEventListener("formdata", (event) => {
    if (asking || !event.target.matches("form[data-together]")) { return; }
    const own = new Set(event.formData.keys());
    asking = true;  // asking another form what stands in it is no sending
    try {
      document.querySelectorAll("form[data-together]").forEach((form) => {
        if (form === event.target) { return; }
        new FormData(form).forEach((value, name) => { if (!own.has(name) && typeof value === "string") { event.formData.append(name, value); } });
      });
    } finally { asking = false; }
  });
})();
