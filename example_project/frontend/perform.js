"use strict";

/** Make one call, and tell what a script can see of it: plain data, which can be posted between frames. */
async function perform(call) {
  let response;
  try {
    response = await fetch(call.url, {
      method: call.method,
      credentials: call.credentials,
      headers: call.headers,
      body: call.body,
    });
  } catch (error) {
    return { blocked: String(error), answers: await answers(call.url) };
  }
  return {
    status: response.status,
    redirected: response.redirected,
    headers: Object.fromEntries(response.headers), // those that a script may read, in lower case
    body: await response.text(),
  };
}

/** A blocked call and a server that is down give the same TypeError. "no-cors" asks without wanting to read. */
async function answers(url) {
  try {
    await fetch(url, { mode: "no-cors", credentials: "omit" });
    return true;
  } catch {
    return false;
  }
}
