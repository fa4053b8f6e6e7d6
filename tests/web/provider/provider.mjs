// An OpenID Connect provider on the loopback: anybody may sign in there, under any name.
//
//   node provider.mjs '{"port": 0, "site": "http://127.0.0.1:8400", "tokenSeconds": 3600, "refresh": true}'
//
// Without `refresh` it goes by the letter (OpenID Connect Core 1.0, 11): no refresh token without
// asking for consent each time. Many providers do not.
//
// Prints its issuer when it listens and "revoked" for each refresh token that was given back, and ends
// with its standard input.

import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const { port, site, tokenSeconds, refresh } = JSON.parse(process.argv[2]);

const server = createServer();
await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
const issuer = `http://localhost:${server.address().port}`;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256" };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "the-page",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      redirect_uris: [`${site}/`],
      post_logout_redirect_uris: [`${site}/`],
    },
  ],
  jwks: { keys: [key] },
  cookies: { keys: ["a secret of the tests"] },
  claims: { openid: ["sub"], profile: ["name", "preferred_username"] },
  ...(refresh && { issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token") }),
  features: { revocation: { enabled: true } },
  conformIdTokenClaims: false,
  clientBasedCORS: (_, origin) => origin === site,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} of the provider`, preferred_username: id }),
  }),
  ttl: {
    AccessToken: tokenSeconds,
    IdToken: tokenSeconds,
    Grant: 3600,
    Interaction: 3600,
    RefreshToken: 3600,
    Session: 3600,
  },
});
// What went wrong there, for whoever reads a failed test.
for (const name of ["server_error", "authorization.error", "grant.error", "end_session.error"]) {
  provider.on(name, (_, error) => console.error(name, error.message, error.error_description ?? ""));
}
provider.on("refresh_token.destroyed", () => console.log("revoked"));
server.on("request", provider.callback());
console.log(issuer);
process.stdin.on("end", () => process.exit()).resume();
