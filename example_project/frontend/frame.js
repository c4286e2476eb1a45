"use strict";

// Makes a call from this page's origin for the page that holds it in a frame.
addEventListener("message", async (event) => {
  if (event.source === parent) {
    parent.postMessage(await perform(event.data), event.origin);
  }
});
