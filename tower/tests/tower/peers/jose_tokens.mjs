// Prints a key set and tokens by jose, each with whether it should be accepted. Arguments: issuer, audience, now.

import { SignJWT, UnsecuredJWT, exportJWK, generateKeyPair } from "jose";

const [issuer, audience, now] = [process.argv[2], process.argv[3], Number(process.argv[4])];
const algorithms = ["RS256", "RS384", "PS256", "PS512", "ES256", "ES384", "EdDSA"];

const pairs = Object.fromEntries(await Promise.all(
  algorithms.map(async (alg) => [alg, await generateKeyPair(alg, { extractable: true })]),
));
const keys = await Promise.all(
  algorithms.map(async (alg) => ({ ...(await exportJWK(pairs[alg].publicKey)), kid: alg, alg, use: "sig" })),
);

function sign(alg, change = (jwt) => jwt, claims = {}) {
  const jwt = new SignJWT({ tenant_id: "acme", ...claims })
    .setProtectedHeader({ alg, kid: alg, typ: "JWT" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject("user")
    .setIssuedAt(now)
    .setExpirationTime(now + 300);
  return change(jwt).sign(pairs[alg].privateKey);
}

const tokens = [];
for (const alg of algorithms) {
  const good = await sign(alg);
  const other = await sign(alg, undefined, { tenant_id: "globex" });
  const [header, payload] = other.split(".");
  tokens.push(
    { name: alg, token: good, accepted: true },
    { name: `${alg}, several audiences`, token: await sign(alg, (jwt) => jwt.setAudience(["x", audience])), accepted: true },
    { name: `${alg}, not yet valid`, token: await sign(alg, (jwt) => jwt.setNotBefore(now + 61)), accepted: false },
    { name: `${alg}, expired`, token: await sign(alg, (jwt) => jwt.setExpirationTime(now - 60)), accepted: false },
    { name: `${alg}, another issuer`, token: await sign(alg, (jwt) => jwt.setIssuer(`${issuer}/`)), accepted: false },
    { name: `${alg}, another's signature`, token: `${header}.${payload}.${good.split(".")[2]}`, accepted: false },
  );
}
// The public key as a secret.
const secret = new TextEncoder().encode(JSON.stringify(keys[0]));
const symmetric = new SignJWT({ tenant_id: "acme" }).setProtectedHeader({ alg: "HS256", kid: "RS256" });
tokens.push(
  {
    name: "HS256 with the public key",
    token: await symmetric.setIssuer(issuer).setAudience(audience).setExpirationTime(now + 300).sign(secret),
    accepted: false,
  },
  {
    name: "none",
    token: new UnsecuredJWT({ tenant_id: "acme" }).setIssuer(issuer).setAudience(audience).setExpirationTime(now + 300).encode(),
    accepted: false,
  },
);
console.log(JSON.stringify({ keys, tokens }));
