// The one writer of the address bar: what Python says of a page, beside the cursor that moves in the browser.
//
// writeAddressBar is that of the linked views (figures/linked_views/address.js).

export default function (component) {
  const { parentElement } = component, data = JSON.parse(component.data.json);
  const host = parentElement.host ?? parentElement;
  if (!host.scheme) { // what the server draws has the colours of the scheme it was told of: tell it when that changes
    host.scheme = matchMedia("(prefers-color-scheme: dark)");
    const tell = () => host.isConnected && component.setTriggerValue("scheme", host.scheme.matches ? "dark" : "light");
    host.scheme.addEventListener("change", () => setTimeout(tell, 200));
  }
  const now = new URLSearchParams(location.search), first = host.dataset.address === undefined;
  host.dataset.address = "written";
  const changed = data.parameters.filter((name) => now.get(name) !== (data.query[name] ?? null));
  if (!changed.length) return;
  // Another instance or checkpoint: Back returns to the one before, and the place of its cursor means nothing here.
  const other = !first && changed.some((name) => !data.in_place.includes(name));
  const values = Object.fromEntries(data.parameters.map((name) => [name, data.query[name] ?? null]));
  if (other) for (const name of data.cursor) values[name] = null;
  writeAddressBar(values, other);
}
