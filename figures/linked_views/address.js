// The address bar of the browser.

/** Sets parameters in the address bar, or removes those that are null; as a new entry of the history if asked. */
function writeAddressBar(values, push = false) {
  const url = new URL(window.location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  if (url.href === window.location.href) return;
  if (push) window.history.pushState({}, "", url);
  else window.history.replaceState(window.history.state, "", url);
}
