// Reports something to a city and follows it until it is closed, with fetch: the same code runs in a browser.
//
//     node report.mjs BASE KEY DESCRIPTION [SECONDS]
//
// BASE: a city's own base, as its discovery document names it. SECONDS: between two looks, 60 if not given.
import process from "node:process";

const [base, key, description, seconds = "60"] = process.argv.slice(2);
const pause = (duration) => new Promise((resolve) => setTimeout(resolve, Number(duration) * 1000));

/** The answer, whatever its status. Waits and tries again when told to. */
async function call(path, options = {}) {
  for (;;) {
    const answer = await fetch(base + path, options);
    if (answer.status !== 429 && answer.status !== 503) return answer;
    await pause(answer.headers.get("Retry-After") ?? "5");
  }
}

async function json(answer) {
  const body = await answer.json();
  // A refusal is always a list of {code, description}.
  if (!answer.ok) throw new Error(body.map((each) => each.description).join("; "));
  return body;
}

const services = await json(await call("/services.json"));
// One that asks no question and answers with an id.
const service = services.find((each) => each.type === "realtime" && !each.metadata);

const created = await json(await call("/requests.json", {
  method: "POST",
  // Sent again with the same key after a lost connection, it is the same report.
  headers: { "X-API-Key": key, "Idempotency-Key": crypto.randomUUID() },
  body: new URLSearchParams({ service_code: service.service_code, lat: "43.6", long: "3.2", description }),
}));
const id = created[0].service_request_id;
console.log("reported:", id);

let known = {};
for (;;) {
  const answer = await call(`/requests/${id}.json`, { headers: known });
  if (answer.status !== 304) {
    const [request] = await json(answer);
    if (request.status === "closed") {
      console.log("closed:", request.status_notes);
      break;
    }
    // Next time only what has changed is sent.
    const tag = answer.headers.get("ETag");
    known = tag ? { "If-None-Match": tag } : {};
  }
  await pause(seconds);
}
