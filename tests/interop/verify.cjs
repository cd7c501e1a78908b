// Verifies bundles offline with @sigstore/verify. Argument: a node_modules folder. On stdin a JSON list of
// {bundle, keys: {hint: PEM}}; on stdout a JSON list of "ok" or the reason of the refusal.
"use strict";
const { readFileSync } = require("node:fs");
const { createPublicKey } = require("node:crypto");
const from = (name) => require(require.resolve(name, { paths: [process.argv[2]] }));
const { bundleFromJSON } = from("@sigstore/bundle");
const { Verifier, toSignedEntity, toTrustMaterial } = from("@sigstore/verify");

const nobody = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const none = { tlogThreshold: 0, ctlogThreshold: 0, tsaThreshold: 0, timestampThreshold: 0 };

function verify({ bundle, keys }) {
  const known = {};
  for (const [hint, pem] of Object.entries(keys)) {
    known[hint] = { rawBytes: createPublicKey(pem).export({ type: "spki", format: "der" }) };
  }
  try {
    new Verifier(toTrustMaterial(nobody, known), none).verify(toSignedEntity(bundleFromJSON(bundle)));
    return "ok";
  } catch (error) {
    return `${error.code ?? error.name}: ${error.message}`;
  }
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(verify)));
