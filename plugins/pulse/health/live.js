// Renews the page Clients when the server says that something moved, and every 30 seconds where it cannot say so.
(() => {
  "use strict";
  const address = new URL("live", location.href);
  address.protocol = address.protocol.replace("http", "ws");
  let pause = 1000;
  let renewing = null;

  async function renew() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 401 || answer.status === 403) return location.reload();
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    const old = document.querySelector("main");
    if (!fresh || fresh.innerHTML === old.innerHTML) return;
    const wide = old.querySelector(".wide");
    const held = document.activeElement?.getAttribute("href");
    const left = wide ? wide.scrollLeft : 0;
    old.replaceWith(document.adoptNode(fresh));
    if (fresh.querySelector(".wide")) fresh.querySelector(".wide").scrollLeft = left;
    if (held) fresh.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
  }

  function renewOnce() {
    renewing = renewing ?? renew().catch(() => {}).finally(() => { renewing = null; });
  }

  function listen() {
    const socket = new WebSocket(address);
    socket.onopen = () => { pause = 1000; document.body.dataset.live = ""; renewOnce(); };
    socket.onmessage = renewOnce;
    socket.onclose = () => {
      delete document.body.dataset.live;
      setTimeout(listen, pause);
      pause = Math.min(2 * pause, 30000);
    };
  }

  setInterval(renewOnce, 30000);
  listen();
})();
