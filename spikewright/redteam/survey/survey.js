// Digits choose an option, Enter confirms; everything works without this too.
document.documentElement.classList.add("script");
const form = document.querySelector("form");
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const option = /^[1-9]$/.test(event.key) && document.querySelector(`input[type=radio][value="${event.key}"]`);
  if (option) {
    option.checked = true;
    option.focus();
    event.preventDefault();
  } else if (event.key === "Enter" && event.target === document.body) {
    const link = document.querySelector("a[data-enter]");
    if (link) link.click();
    else if (form) form.requestSubmit();
    event.preventDefault();
  }
});
if (form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
  // A page that comes back from the browser's memory can be sent again.
  window.addEventListener("pageshow", () => delete form.dataset.sent);
}
